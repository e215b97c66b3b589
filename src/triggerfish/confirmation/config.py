"""Settings of a confirmation test of a class."""

from __future__ import annotations

from dataclasses import dataclass, field

from triggerfish.search.universal_settings import Race, UniversalSearch

BEST_START = Race(rungs=(0.45,), survivors=(1.0,), fewest=1)
"""No row stops early, but of the runs from several starts only the best one goes on."""


@dataclass(frozen=True)
class ConfirmConfig:
    """How thorough a confirmation test is; the defaults cost about what the scan costs.

    ``search`` is the search for the class itself, ``control`` that for at most ``others`` other
    classes within its size. Steps draw from ``pictures`` pictures; ``fresh`` others are kept to
    measure success on.
    """

    search: UniversalSearch = field(default_factory=lambda: UniversalSearch(race=BEST_START))
    control: UniversalSearch = field(default_factory=lambda: UniversalSearch(steps=16, race=None))
    others: int = 9
    pictures: int = 300
    fresh: int = 200
    memory_mib: float = 512.0

    def __post_init__(self) -> None:
        if min(self.others, self.pictures, self.fresh) < 1:
            raise ValueError(
                "expected others, pictures and fresh >= 1, "
                f"got {self.others}, {self.pictures} and {self.fresh}"
            )
