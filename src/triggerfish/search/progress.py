"""How far a long search is: detectors report a fraction, whoever shows it listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[float], None]

_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call ``listener`` with every fraction in (0, 1] reported in this process meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def report(fraction: float) -> None:
    """Tell the listeners that this fraction of the current model's work is done."""
    for listener in _listeners:
        listener(fraction)


@contextmanager
def share_of_work(start: float, end: float) -> Iterator[None]:
    """Map the fractions reported meanwhile to [start, end]: one of several steps of the work."""
    outer = _listeners.copy()

    def pass_on(part: float) -> None:
        for tell in outer:
            tell(start + part * (end - start))

    _listeners[:] = [pass_on]
    try:
        yield
    finally:
        _listeners[:] = outer
