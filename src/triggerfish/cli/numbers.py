"""Numbers in one text: ``0.485,0.456,0.406`` or ``2x2``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import click

Number = int | float


@dataclass(frozen=True)
class Numbers:
    """A click callback that reads numbers, ``count`` of them when it is given.

    ``what`` says which numbers the option takes, and ``example`` shows some.
    """

    kind: Literal["int", "float"]
    what: str
    example: str
    count: int | None = None
    separator: str = ","

    def __call__(
        self, _: click.Context, option: click.Parameter, text: str | None
    ) -> tuple[Number, ...] | None:
        """The numbers; a sentence about the option where there are none."""
        if text is None:
            return None
        read = int if self.kind == "int" else float
        try:
            values = tuple(read(part) for part in text.lower().split(self.separator))
        except ValueError:
            values = ()
        if not values or (self.count is not None and len(values) != self.count):
            name = max(option.opts, key=len)
            raise click.UsageError(f"{name} takes {self.what}, such as {self.example}, not {text}")
        return values


def check_counts(mean: object, std: object, shape: object) -> None:
    """Refuse means or deviations that are neither one nor one for each channel."""
    if not isinstance(shape, tuple):
        return
    for name, values in (("--mean", mean), ("--std", std)):
        if isinstance(values, tuple) and len(values) not in (1, shape[0]):
            channels = "1 channel" if shape[0] == 1 else f"{shape[0]} channels"
            raise click.UsageError(
                f"{name} has {len(values)} numbers, and --input-shape says {channels}: "
                "give one number, or one for each channel"
            )
