"""The options that say what becomes of a scan's results, shared with whoever scans."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from triggerfish.acceptance import read_acceptances
from triggerfish.cli.exit_codes import FAIL_ON
from triggerfish.cli.option_groups import GroupedOption
from triggerfish.cli.project import show_config
from triggerfish.cli.terminal import about_terminal, screen_options
from triggerfish.errors import DatasetError
from triggerfish.files import ensure_writable, write_file
from triggerfish.loading import other_files
from triggerfish.reports.about import About
from triggerfish.reports.html import HtmlReport
from triggerfish.reports.text import printable
from triggerfish.results import Acceptance, Scanned, Skipped
from triggerfish.runs.outcome import Complete
from triggerfish.runs.run import Row

Command = TypeVar("Command", bound=Callable[..., Any])
GROUP = "Reports and gate"
_NAMED = 3  # of the acceptances that match no file
# What says where results go, and not what is computed: no part of the command that repeats it.
ELSEWHERE = {
    "out", "output_format", "html", "accept", "fail_on", "quiet", "verbose", "show_config", "jobs",
    "rescan", "timeout", "include", "exclude", "listing", "shard", "ray",
}  # fmt: skip

_OPTIONS = (
    click.option("--html", cls=GroupedOption, group=GROUP, type=click.Path(path_type=Path),
                 help="File for an HTML report of all models."),
    click.option("--images", cls=GroupedOption, group=GROUP,
                 type=click.Path(exists=True, file_okay=False, path_type=Path),
                 help="Folder of your own images to try the found pattern on."),
    click.option("--class-names", cls=GroupedOption, group=GROUP,
                 type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="Text file with a class's name on each line, in their order."),
    click.option("--accept", cls=GroupedOption, group=GROUP,
                 type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="TOML file of accepted files: sha256, reason, until."),
    click.option("--fail-on", cls=GroupedOption, group=GROUP, type=click.Choice(FAIL_ON),
                 default=FAIL_ON[-1],
                 help="The least finding that makes the exit code other than 0."),
    click.option("--show-config", cls=GroupedOption, group=GROUP, is_flag=True,
                 help="Print the options in force and where they are from, and exit."),
)  # fmt: skip


def report_options(command: Command) -> Command:
    """Add the options; the command gets them as keywords, for `take_reporting`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return screen_options(command)


@dataclass(frozen=True)
class Usage:
    """Which of the ``acceptances`` of a ``file`` were needed; what to say about the others."""

    file: Path | None
    acceptances: Mapping[str, Acceptance]
    _found: dict[str, Path | None] = field(default_factory=dict)

    def note(self, result: Scanned | Skipped) -> None:
        """Remember a result that is listed."""
        if result.sha256 is not None and result.sha256 in self.acceptances:
            self._found.setdefault(result.sha256, result.path)

    def lines(self, today: date, *, unused: bool = True) -> Iterator[str]:
        """One line for each acceptance that is over, and one for those that match no file.

        Without ``unused`` the last one is left out: a share of the files cannot tell.
        """
        for sha256, path in self._found.items():
            until = self.acceptances[sha256].until
            if until < today:
                yield (
                    f"{self.file}: the acceptance of {printable(path or sha256)} ended on "
                    f"{until.isoformat()}. Give it a later day to accept the file again"
                )
        left = [sha256 for sha256 in self.acceptances if sha256 not in self._found]
        if unused and left:
            named = ", ".join(sha256[:12] for sha256 in left[:_NAMED])
            entries = "1 entry matches" if len(left) == 1 else f"{len(left)} entries match"
            more = ", ..." if len(left) > _NAMED else ""
            yield f"{self.file}: {entries} no file that was scanned ({named}{more})"


@dataclass(frozen=True)
class Reporting:
    """What becomes of results once they are there."""

    html: Path | None
    images: Path | None
    about: About
    fail_on: str
    complete: Complete
    acceptance: Usage
    _report: HtmlReport = field(default_factory=HtmlReport)

    def show(self, row: Row) -> Scanned | Skipped:
        """The result of a row; it goes into the report on all."""
        self.acceptance.note(row.result)
        if self.html is not None:
            self._report.add(row.result)
        return row.result

    def finish(self) -> None:
        """Write the report on all models."""
        if self.html is not None:
            write_file(self.html, self._report.render(self.about).encode())


def take_reporting(ctx: click.Context, values: dict[str, Any], paths: Sequence[Path]) -> Reporting:
    """Take the options out of a command's keywords; prints them and exits where that was asked."""
    if values.pop("show_config"):
        click.echo(show_config(ctx), nl=False)
        ctx.exit()
    quiet, verbose = values.pop("quiet"), values.pop("verbose")
    about = about_terminal(other_files(paths), quiet=quiet, verbose=verbose)
    html, names, accept = values.pop("html"), values.pop("class_names"), values.pop("accept")
    images = values.pop("images")
    if html is not None:
        ensure_writable(html.absolute().parent)
    return Reporting(
        html=html,
        images=images,
        about=about,
        fail_on=values.pop("fail_on"),
        complete=Complete(
            () if names is None else read_class_names(names), given_words(ctx, without=ELSEWHERE)
        ),
        acceptance=Usage(accept, {} if accept is None else read_acceptances(accept)),
    )


def read_class_names(file: Path) -> tuple[str, ...]:
    """A name a line; empty lines at the end do not count."""
    try:
        return tuple(file.read_text("utf-8").rstrip().splitlines())
    except UnicodeDecodeError as error:
        raise DatasetError(f"{file} is no text in UTF-8: write one class name a line") from error


def given_words(ctx: click.Context, without: Collection[str] = ()) -> tuple[str, ...]:
    """The command with the options that were given, on the command line or by the project."""
    words = ctx.command_path.split()
    for option in ctx.command.params:
        name = option.name
        if not isinstance(option, click.Option) or name is None or name in without:
            continue
        if ctx.get_parameter_source(name) in (ParameterSource.DEFAULT, None):
            continue
        words += _words(max(option.opts, key=len), ctx.params[name], option)
    return tuple(words)


def _words(flag: str, value: object, option: click.Option) -> list[str]:
    if option.is_flag:
        return [flag] if value else option.secondary_opts[:1]
    if option.multiple and isinstance(value, tuple):
        return [word for item in value for word in (flag, str(item))]
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [flag, text]
