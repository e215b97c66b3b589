"""Progress: a bar with the time left, what is printed meanwhile above it; or lines in a log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from triggerfish.search.progress import listening

Item = TypeVar("Item")
LINE_SECONDS = 15.0

_shown: list[Progress] = []


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print on stdout or stderr, above the bar where that is on the same terminal."""
    console = _shown[-1].console if _shown else None
    if console is None or not (err or _one_terminal()):
        click.echo(text, err=err, nl=nl)
    else:
        console.out(text, end="\n" if nl else "", highlight=False)


def track(
    items: Iterable[Item],
    total: int,
    label: str,
    flagged: Callable[[Item], bool] | None = None,
    *,
    quiet: bool = False,
) -> Iterator[Item]:
    """Pass ``items`` on and count them: a bar, or lines from time to time where stderr is a file.

    Shows nothing when ``quiet``. ``flagged`` says which of them to count a second time.
    """
    count = flagged_count = 0
    furthest = 0.0  # parts of the work begin again, and what was said must not fall
    with _bar(quiet=quiet) as progress:
        shown = not quiet and progress.console.is_terminal
        flags = "" if flagged is None else ", 0 flagged"
        task = progress.add_task(label, total=total, done=0, flags=flags)
        lines = None if quiet or shown else _Lines(label, total)
        if shown:
            _shown.append(progress)

        def advance(part: float) -> None:
            nonlocal furthest
            furthest = max(furthest, count + part)
            progress.update(task, completed=furthest)
            if lines is not None:
                lines.say(furthest, flags)

        try:
            with listening(advance):
                for item in items:
                    count += 1
                    flagged_count += flagged is not None and flagged(item)
                    flags = flags and f", {flagged_count} flagged"
                    progress.update(task, completed=count, done=count, flags=flags)
                    if lines is not None:
                        lines.say(count, flags)
                    yield item
        finally:
            if shown:
                _shown.remove(progress)


class _Lines:
    """Progress for a log: a line on stderr, at most one in `LINE_SECONDS`."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._start = self._last = time.monotonic()

    def say(self, completed: float, flags: str) -> None:
        """How far it is, unless that was said a moment ago or all is done."""
        now = time.monotonic()
        if now - self._last < LINE_SECONDS or completed >= self._total:
            return
        self._last = now
        done = "" if self._total == 1 else f" ({int(completed)} of {self._total}{flags})"
        share = f"{100 * completed / self._total:.0f} %"
        click.echo(f"{self._label}: {share}{done}, {now - self._start:.0f} s", err=True)


class _TimeLeft(ProgressColumn):
    """By the speed of the whole run: a single model may take minutes."""

    def render(self, task: Task) -> Text:
        """Hours, minutes and seconds."""
        if not task.completed or not task.total:
            return Text("-:--:--")
        left = (task.elapsed or 0.0) * (task.total / task.completed - 1)
        return Text(str(timedelta(seconds=int(left))))


def _bar(*, quiet: bool) -> Progress:
    console = Console(file=sys.stdout if _one_terminal() else sys.stderr)
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[done]} of {task.total:.0f}{task.fields[flags]}, left:"),
        _TimeLeft(),
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=True,
        disable=quiet or not terminal or not console.is_terminal,
    )


def _one_terminal() -> bool:
    """Whether stdout and stderr are the same terminal: then one console has to write both."""
    streams = (sys.stdout, sys.stderr)
    if not all(stream is not None and stream.isatty() for stream in streams):
        return False
    return os.path.sameopenfile(*(stream.fileno() for stream in streams))
