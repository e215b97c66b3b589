"""What the terminal can show, and how much of it is wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from triggerfish.reports.about import About

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--quiet", "-q", is_flag=True, help="Only errors on stderr; in the table, nothing clean."
    ),
    click.option("--verbose", "-v", is_flag=True, help="In the table, what verdicts rest on."),
)


def screen_options(command: Command) -> Command:
    """Add ``--quiet`` and ``--verbose``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def about_terminal(
    other_files: Mapping[str, int] | None = None, *, quiet: bool, verbose: bool
) -> About:
    """What a report is told: pictures only where stdout is a terminal that has colors for them.

    https://no-color.org: any value of NO_COLOR but the empty one switches colors off.
    """
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other: drop one")
    return About(other_files or {}, verbose, quiet, pictures=_shows_colors())


def _shows_colors() -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    return not plain and encoding == "utf8" and sys.stdout.isatty()
