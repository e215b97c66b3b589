"""What a report knows beside the results, and how much of them it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class About:
    """``other_files`` counts, by suffix, the files in the folders that are no models.

    For the terminal alone: ``verbose`` adds what a verdict rests on, ``quiet`` leaves out what is
    clean, ``pictures`` draws the perturbation that was found in colors and half blocks.
    """

    other_files: Mapping[str, int] = field(default_factory=dict)
    verbose: bool = False
    quiet: bool = False
    pictures: bool = False


PLAIN = About()
