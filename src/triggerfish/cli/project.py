"""``triggerfish.toml``: the options of a project, for every command.

    [scan]
    fail-on = "inconclusive"
    accept = "accepted.toml"

Only that of the folder where the command runs is read, or the one that ``--config`` names; never
one beside a model. What runs code or takes a risk is for the command line alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from click.core import ParameterSource

from triggerfish.errors import ProjectError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path("triggerfish.toml")
_USED = "triggerfish.project"
RISKS = {"unsafe_pickle": "runs code from the file"}

SOURCES = {
    ParameterSource.COMMANDLINE: "command line",
    ParameterSource.DEFAULT_MAP: "project file",
    ParameterSource.DEFAULT: "default",
}


def use_project(ctx: click.Context, file: Path | None) -> None:
    """Make the project's options the defaults of the commands below ``ctx``.

    Raises:
        ProjectError: the file cannot be read, or names what is no command.
    """
    chosen = file or FILE
    if file is None and not chosen.is_file():
        return
    try:
        document = tomllib.loads(chosen.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProjectError(
            f"{chosen} is no project file ({error}): fix it, or name another with --config"
        ) from error
    assert isinstance(ctx.command, click.Group)
    known = ctx.command.list_commands(ctx)
    for name, table in document.items():
        if name not in known or not isinstance(table, dict):
            raise ProjectError(
                f"{chosen}: {name!r} is no table of a command. Name one of {', '.join(known)}"
            )
    name = ctx.invoked_subcommand
    command = None if name is None else ctx.command.get_command(ctx, name)
    if name in document and name is not None and command is not None:
        ctx.meta[_USED] = chosen
        ctx.default_map = {name: dict(_defaults(chosen, command, document[name]))}


def with_its_file(error: click.ClickException) -> click.ClickException:
    """An error about an option that the project's file sets, with the name of that file."""
    if not isinstance(error, click.UsageError) or (ctx := error.ctx) is None:
        return error
    if _USED not in ctx.meta:
        return error
    said = set(re.findall(r"--[\w-]+", error.format_message()))
    for option in ctx.command.params:
        set_there = ctx.get_parameter_source(option.name or "") is ParameterSource.DEFAULT_MAP
        if set_there and said & set(option.opts):
            message = f"{error.message.rstrip('.')} (set in {ctx.meta[_USED]})"
            return reworded(error, message)
    return error


def reworded(error: click.UsageError, message: str) -> click.UsageError:
    """The same mistake in other words; click's errors do not change."""
    if isinstance(error, click.BadParameter):
        return click.BadParameter(message, error.ctx, error.param, error.param_hint)
    return click.UsageError(message, error.ctx)


def _defaults(
    file: Path, command: click.Command, table: Mapping[str, object]
) -> Iterator[tuple[str, object]]:
    """Options by the names of their parameters."""
    options = {o.opts[-1].lstrip("-"): o for o in command.params if isinstance(o, click.Option)}
    options |= {name.lstrip("-"): o for o in options.values() for name in o.opts}
    for key, value in table.items():
        option = options.get(key)
        if option is None or option.name is None:
            raise ProjectError(f"{file}: triggerfish {command.name} has no option {key!r}")
        if (option.name in RISKS and value) or (option.name == "arch" and ":" in str(value)):
            why = RISKS.get(option.name, "may run code")
            raise ProjectError(
                f"{file}: --{key} is allowed on the command line alone, because it {why}"
            )
        listed = isinstance(value, list) and not option.multiple
        yield (
            option.name,
            ",".join(map(str, value)) if isinstance(value, list) and listed else value,
        )


def show_config(ctx: click.Context) -> str:
    """Every option in force as TOML, and where each is from."""
    lines = [f"[{ctx.command.name}]"]
    for option in ctx.command.params:
        if isinstance(option, click.Option) and option.expose_value and option.name is not None:
            lines.append(_line(ctx, option, option.name))
    return "\n".join(lines) + "\n"


def _line(ctx: click.Context, option: click.Option, name: str) -> str:
    source = ctx.get_parameter_source(name)
    said = SOURCES.get(source, "environment") if source is not None else "default"
    key, value = max(option.opts, key=len).lstrip("-"), ctx.params[name]
    if value is None or value == ():
        return f"# {key} is not set"
    return f"{key} = {_toml(value)}  # {said}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
