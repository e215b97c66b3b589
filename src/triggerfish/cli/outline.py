"""The commands as data: their help and their mistakes, before PyTorch is imported.

`outline_of` turns a command into plain data, which ``make docs`` writes to ``outline.json``;
`light_command` turns that into a command with the same help, which finds the same mistakes. A line
without any is handed to the command itself. A test compares the file with the commands.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import click

from triggerfish.cli import checks
from triggerfish.cli.checks import ExistingPath, check_together
from triggerfish.cli.numbers import Numbers
from triggerfish.cli.option_groups import GroupedCommand, GroupedOption

FILE = Path(__file__).with_name("outline.json")
Data = dict[str, Any]
_ARGS = "triggerfish.args"
_PLAIN: dict[str, click.ParamType[Any]] = {
    "integer": click.INT, "float": click.FLOAT, "boolean": click.BOOL, "text": click.STRING,
}  # fmt: skip
_KEPT = (
    "name", "opts", "secondary_opts", "required", "nargs", "multiple", "is_flag", "flag_value",
    "help", "metavar", "show_default", "is_eager", "hidden", "group",
)  # fmt: skip


_JSON = (bool, int, float, str, list)


class _HandOver(Exception):  # noqa: N818 - no error: the command itself has to see the line
    """An option that does something by itself was given."""


@cache
def outlines() -> Mapping[str, Data]:
    """The outlines that ship, by the names of the commands."""
    data: Mapping[str, Data] = json.loads(FILE.read_text("utf-8"))
    return data


def outline_of(command: click.Command) -> Data:
    """A command as plain data, with those below it."""
    data: Data = {
        "name": command.name,
        "help": command.help,
        "epilog": command.epilog,
        "context_settings": command.context_settings,
        "params": [_parameter(item) for item in command.params if item.name != "help_all"],
    }
    if isinstance(command, GroupedCommand):
        data |= {"grouped": True, "common": list(command.common)}
    if isinstance(command, click.Group):
        data["commands"] = {name: outline_of(sub) for name, sub in command.commands.items()}
    return data


def _parameter(item: click.Parameter) -> Data:
    given = {name: getattr(item, name, None) for name in _KEPT}
    data: Data = {name: v for name, v in given.items() if v and isinstance(v, _JSON)}
    if not item.expose_value:
        data["expose_value"] = False
    if "flag_value" in data and "is_flag" not in data:
        data["is_flag"] = False  # else click takes it for one
    default = item.default
    if isinstance(default, (bool, int, float, str)):
        data["default"] = default
    elif isinstance(default, Path):
        data["default"] = str(default)
    data["type"] = _type(item.type)
    callback = item.callback
    if isinstance(callback, Numbers):
        data["numbers"] = asdict(callback)
    elif callback is not None and callback.__module__ == checks.__name__:
        data["check"] = callback.__name__
    elif callback is not None and item.is_eager:
        data["hand_over"] = True
    return data


def _type(kind: click.ParamType[Any]) -> str | Data:
    if isinstance(kind, click.Choice):
        return {"choice": list(kind.choices)}
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        limits = [kind.min, kind.max, kind.min_open, kind.max_open]
        return {"int_range" if isinstance(kind, click.IntRange) else "float_range": limits}
    if isinstance(kind, click.Path):
        return {"path": [kind.exists, kind.file_okay, kind.dir_okay]}
    return kind.name if kind.name in _PLAIN else "text"


def light_command(data: Data, load: Callable[[], click.Command]) -> click.Command:
    """The command that an outline is of; ``load`` imports the command itself."""
    params = [_made(item) for item in data["params"]]
    texts = {name: data[name] for name in ("help", "epilog", "context_settings")}
    if "commands" in data:
        group = click.Group(data["name"], params=params, **texts)
        for name, sub in data["commands"].items():
            group.add_command(light_command(sub, partial(_below, load, name)))
        return group
    return _Light(
        data["name"],
        load,
        params=params,
        common=data.get("common", ()),
        grouped=data.get("grouped", False),
        **texts,
    )


def _below(load: Callable[[], click.Command], name: str) -> click.Command:
    group = load()
    assert isinstance(group, click.Group)
    return group.commands[name]


def load_command(place: str) -> click.Command:
    """Import a command from ``module:attribute``."""
    module, _, attribute = place.partition(":")
    command: click.Command = getattr(importlib.import_module(module), attribute)
    return command


class _Light(GroupedCommand):
    def __init__(
        self,
        name: str,
        load: Callable[[], click.Command],
        *,
        grouped: bool,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(name, **settings)
        self._load, self._grouped = load, grouped

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find mistakes; keep the line for the command itself."""
        ctx.meta[_ARGS] = list(args)
        try:
            rest = super().parse_args(ctx, args)
            check_together(ctx.params)
        except _HandOver:
            return []
        return rest

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        """Let the command itself do it."""
        command, args = self._load(), ctx.meta[_ARGS]
        with command.make_context(ctx.info_name, args, parent=ctx.parent) as inner:
            return command.invoke(inner)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As the command itself does it."""
        if self._grouped:
            super().format_options(ctx, formatter)
        else:
            click.Command.format_options(self, ctx, formatter)


def _made(data: Data) -> click.Parameter:
    item = dict(data)
    kind, numbers = item.pop("type"), item.pop("numbers", None)
    check, hand_over = item.pop("check", None), item.pop("hand_over", False)
    if numbers is not None:
        item["callback"] = Numbers(**numbers)
    elif check is not None:
        item["callback"] = getattr(checks, check)
    elif hand_over:
        item["callback"] = _hand_over
    name, opts = item.pop("name"), item.pop("opts")
    secondary = item.pop("secondary_opts", [])
    if "help" not in item:  # an argument
        for option_only in ("is_flag", "multiple", "show_default", "group", "hidden"):
            item.pop(option_only, None)
        return click.Argument([name], type=_type_of(kind), **item)
    if secondary:
        opts = [f"{opts[0]}/{secondary[0]}", *opts[1:]]
    if item.get("is_flag"):
        item.setdefault("default", None)
    else:
        item["type"] = _type_of(kind)
    made = GroupedOption if "group" in item else click.Option
    return made([*opts, name], **item)


def _hand_over(_: click.Context, __: click.Parameter, value: object) -> object:
    if value:
        raise _HandOver
    return value


def _type_of(kind: str | Data) -> click.ParamType[Any]:
    if isinstance(kind, str):
        return _PLAIN[kind]
    ((name, values),) = kind.items()
    if name == "choice":
        return click.Choice(values)
    if name == "path":
        return _path(*values)
    low, high, low_open, high_open = values
    made = click.IntRange if name == "int_range" else click.FloatRange
    return made(low, high, min_open=low_open, max_open=high_open)


def _path(exists: bool, file_okay: bool, dir_okay: bool) -> click.Path:
    made = ExistingPath if exists else click.Path
    return made(exists=exists, file_okay=file_okay, dir_okay=dir_okay, path_type=Path)
