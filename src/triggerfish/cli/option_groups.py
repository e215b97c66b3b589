"""Options under headings of their own in ``--help``, which shows those that people use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

_ALL = "triggerfish.help_all"


class GroupedOption(click.Option):
    """An option that ``--help`` lists under ``group``."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose grouped options follow the others, a heading per group.

    With ``common``, the names of some parameters, ``--help`` shows these alone, in that order, and
    ``--help-all`` shows all.
    """

    def __init__(self, *args: Any, common: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.common = tuple(common)
        if self.common:
            self.params.append(
                click.Option(
                    ["--help-all"], is_flag=True, is_eager=True, expose_value=False,
                    callback=_show_all, help="Show all options and exit.",
                )
            )  # fmt: skip

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those without a group first."""
        params = self.get_params(ctx)
        options = [o for o in params if isinstance(o, click.Option) and not o.hidden]
        if self.common and not ctx.meta.get(_ALL):
            shown = self._shown(options)
            _section(formatter, "Options", shown, ctx)
            left, command = len(options) - len(shown), f"{ctx.command_path} --help-all"
            with formatter.indentation():
                formatter.write_paragraph()
                formatter.write_text(f"{left} more options: {command}")
            return
        groups: dict[str, list[click.Option]] = {"Options": []}
        for option in options:
            group = option.group if isinstance(option, GroupedOption) else "Options"
            groups.setdefault(group, []).append(option)
        for heading, items in groups.items():
            _section(formatter, heading, items, ctx)

    def _shown(self, options: Sequence[click.Option]) -> list[click.Option]:
        """Those of ``common`` in its order, and what shows help."""
        by_name = {option.name: option for option in options}
        helps = [option for option in options if {"--help", "--help-all"} & {*option.opts}]
        return [*(by_name[name] for name in self.common), *helps]


def _section(
    formatter: click.HelpFormatter,
    heading: str,
    options: Sequence[click.Option],
    ctx: click.Context,
) -> None:
    records = [record for option in options if (record := option.get_help_record(ctx)) is not None]
    if records:
        with formatter.section(heading):
            formatter.write_dl(records)


def _show_all(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help())
        ctx.exit()
