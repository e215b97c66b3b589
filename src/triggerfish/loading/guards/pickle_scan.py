"""Which names a pickle imports, and which operations it uses: read, never obeyed."""

from __future__ import annotations

import io
import pickletools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

from triggerfish.errors import CheckpointError

MAX_PICKLE_BYTES = 256 << 20
MAX_NAMES = 1000
_MAX_NESTING = 4
COMPUTED = "a name that is computed"


@dataclass
class Scan:
    """What a pickle does: names that it imports, in order, those of pickles inside it included.

    ``operations`` are the kinds that occur, ``length`` is how many there are; ``broken`` says why
    reading stopped before the end.
    """

    names: dict[str, None] = field(default_factory=dict)
    operations: dict[str, None] = field(default_factory=dict)
    length: int = 0
    largest_memo: int = 0
    broken: str | None = None


def scan_pickle(stream: BinaryIO, nesting: int = 0) -> Scan:
    """Read one pickle to its end; leaves ``stream`` after it. Raises `CheckpointError` if huge."""
    scan, start, strings = Scan(), stream.tell(), _Strings()
    try:
        for operation, argument, position in pickletools.genops(stream):
            if position is not None and position - start > MAX_PICKLE_BYTES:
                raise CheckpointError(
                    f"expected a pickle of at most {MAX_PICKLE_BYTES >> 20} MiB, got a larger one"
                )
            scan.length += 1
            scan.operations.setdefault(operation.name)
            names: Iterable[str] = ()
            if operation.name in ("GLOBAL", "INST"):
                names = [str(argument).replace(" ", ".", 1)]
            elif operation.name == "STACK_GLOBAL":
                names = [strings.name()]
            elif operation.name == "LONG_BINPUT":
                scan.largest_memo = max(scan.largest_memo, int(argument or 0))
            strings.follow(operation.name, argument)
            for name in (*names, *_names_inside(argument, nesting)):
                if len(scan.names) < MAX_NAMES:
                    scan.names.setdefault(name)
    except (ValueError, EOFError, UnicodeError, IndexError) as error:
        scan.broken = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return scan


def _names_inside(argument: object, nesting: int) -> Iterable[str]:
    """Names in a pickle that is data of this one, as those for ``pickle.loads`` are."""
    # Old protocols keep bytes as a text.
    data = argument.encode("latin1", "ignore") if isinstance(argument, str) else argument
    if nesting >= _MAX_NESTING or not isinstance(data, bytes) or not data.endswith(b"."):
        return ()
    inner = scan_pickle(io.BytesIO(data), nesting + 1)
    return inner.names if inner.broken is None else ()


@dataclass
class _Strings:
    """The strings that STACK_GLOBAL takes from the stack: module and name, pushed just before."""

    _memo: dict[int, str | None] = field(default_factory=dict)
    _last: list[str | None] = field(default_factory=lambda: [None, None])

    def follow(self, operation: str, argument: object) -> None:
        """Take note of one operation."""
        if "UNICODE" in operation or "STRING" in operation:
            self._last = [self._last[1], str(argument)]
        elif operation in ("BINPUT", "LONG_BINPUT", "PUT"):
            self._memo[int(str(argument))] = self._last[1]
        elif operation == "MEMOIZE":
            self._memo[len(self._memo)] = self._last[1]
        elif operation in ("BINGET", "LONG_BINGET", "GET"):
            self._last = [self._last[1], self._memo.get(int(str(argument)))]
        elif operation not in ("PROTO", "FRAME"):
            self._last = [None, None]

    def name(self) -> str:
        """``module.name`` for a STACK_GLOBAL here."""
        module, name = self._last
        return f"{module}.{name}" if module is not None and name is not None else COMPUTED
