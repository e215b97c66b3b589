"""How much of the package one default scan runs through: files, functions and changes of file.

    python -m benchmarks.trace MODEL

A reader who follows a scan opens so many files. Imports are not counted: a first scan loads every
module, and the second one is traced.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType

import click

import triggerfish as tf

PACKAGE = str(Path(tf.__file__).parent)


class Trace:
    """Calls into the package, as `sys.setprofile` tells of them."""

    def __init__(self) -> None:
        self.functions: set[CodeType] = set()
        self.changes = 0
        self._last = ""

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Count one event."""
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGE):
            return
        if code.co_name.startswith("<"):  # a comprehension belongs to the function around it
            return
        self.functions.add(code)
        if code.co_filename != self._last:
            self._last = code.co_filename
            self.changes += 1

    @property
    def files(self) -> set[str]:
        """Those of the functions."""
        return {code.co_filename for code in self.functions}


def traced(work: Callable[[], object]) -> Trace:
    """What ``work`` runs through."""
    trace = Trace()
    sys.setprofile(trace)
    try:
        work()
    finally:
        sys.setprofile(None)
    return trace


@click.command(help=__doc__)
@click.argument("model", type=click.Path(exists=True, path_type=Path))
def main(model: Path) -> None:
    """Trace one default scan of MODEL."""
    tf.scan(model)
    trace = traced(lambda: tf.scan(model))
    click.echo(
        f"{len(trace.files)} files, {len(trace.functions)} functions, "
        f"{trace.changes} changes of file"
    )
    for name in sorted(Path(name).relative_to(PACKAGE).as_posix() for name in trace.files):
        click.echo(f"  {name}")


if __name__ == "__main__":
    main()
