"""A progress bar with the time left, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from triggerfish.search.progress import listening

Item = TypeVar("Item")


def track(items: Iterable[Item], total: int, label: str, *, quiet: bool = False) -> Iterator[Item]:
    """Pass ``items`` on and count them; shows nothing when stderr is no terminal, or ``quiet``."""
    columns = (
        TextColumn(label),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    # Lines printed meanwhile go above the bar, but only where both share the terminal.
    shared, console = sys.stdout.isatty(), Console(stderr=True)
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=shared,
        disable=quiet or not console.is_terminal,
    ) as progress:
        task, done = progress.add_task(label, total=total), 0
        with listening(lambda part: progress.update(task, completed=done + part)):
            for item in items:
                done += 1
                progress.update(task, completed=done)
                yield item
