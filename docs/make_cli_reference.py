"""Write docs/cli.md from the commands themselves: ``make docs``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from triggerfish.cli.group import app

TARGET = Path(__file__).parent / "cli.md"
HEADER = """\
# Commands

Made from the commands themselves by `make docs`; a test fails when it is out of date.

Data goes to stdout or to `--out`, progress and errors go to stderr. Every command takes `-h` and
`--help`. Exit codes of `scan` and `report`:

| code | meaning |
|---|---|
| 0 | everything was scanned, nothing was flagged |
| 1 | at least one model was flagged |
| 2 | wrong usage, or nothing could be scanned |
| 3 | a verdict is inconclusive, or a file was skipped |
| 4 | a file would run code when it is opened; nothing was flagged |
| 130 | interrupted |
"""


def reference() -> str:
    """The whole document."""
    return HEADER + "".join(_sections(app, "triggerfish", None))


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    if parent is not None:
        yield _section(command, context)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            child = command.get_command(context, sub)
            assert child is not None
            yield from _sections(child, sub, context)


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    params = command.get_params(context)
    options = [o for o in params if isinstance(o, click.Option) and not o.hidden]
    rows = [_row(option, context) for option in options if "--help" not in option.opts]
    table = "\n| option | meaning |\n|---|---|\n" + "".join(rows) if rows else ""
    return f"\n## {context.command_path}\n\n    {usage}\n\n{text}\n{table}"


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None, f"{context.command_path} {option.name} has no help"
    names, text = (part.replace("|", "\\|") for part in record)
    return f"| `{names}` | {text} |\n"


if __name__ == "__main__":
    TARGET.write_text(reference())
