"""A repair on one page: the verdict before and after it, and the old change on both networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from triggerfish.reports.html.pictures import perturbation_picture, perturbed, picture
from triggerfish.reports.text import printable
from triggerfish.reports.words import label, pattern_of, size
from triggerfish.results import Perturbation, Scanned

MOST_PICTURES = 32
"""To try a pattern on; `MOST_SHOWN` of them are on the page, those first that it flips."""
MOST_SHOWN = 8


@dataclass(frozen=True)
class Retried:
    """A perturbation found before a repair, tried after it on the same ``pictures`` (P, C, H, W).

    Predicted classes (P,): ``plain`` and ``before`` of the original network, without the
    perturbation and with it; ``after`` of the repaired one, with it.
    """

    perturbation: Perturbation
    pictures: Tensor
    plain: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]


@dataclass(frozen=True)
class RepairReport:
    """``rows`` are (what, before, after); ``problems`` why it is not accepted, empty when it is.

    ``conclusions`` are the sentences on what an accepted repair proves.
    """

    before: Scanned
    after: Scanned
    method: str
    problems: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...]
    retried: tuple[Retried, ...]
    conclusions: tuple[str, ...] = ()


@dataclass(frozen=True)
class RetriedColumn:
    """One picture: without the perturbation, with it, and what the networks predict."""

    plain: str
    predicted: str
    changed: str
    before: str
    after: str
    flipped: bool
    undone: bool


@dataclass(frozen=True)
class RetriedView:
    """``picture`` is the change itself; None where it is not known. ``flips`` counts pictures."""

    title: str
    size: str
    flips: str
    picture: str | None
    columns: tuple[RetriedColumn, ...]


def retried_view(retried: Retried, names: Sequence[str]) -> RetriedView:
    """The view of one perturbation, the pictures that it flipped first."""
    perturbation = retried.perturbation
    flipped = [b != p and perturbation.target in (None, b) for p, b in _calls(retried)]
    order = sorted(range(len(flipped)), key=lambda i: not flipped[i])[:MOST_SHOWN]
    changed = perturbed(retried.pictures, perturbation.delta)
    columns = tuple(
        RetriedColumn(
            plain=picture(retried.pictures[i]),
            predicted=label(retried.plain[i], names),
            changed=picture(changed[i]),
            before=label(retried.before[i], names),
            after=label(retried.after[i], names),
            flipped=flipped[i],
            undone=flipped[i] and retried.after[i] == retried.plain[i],
        )
        for i in order
    )
    said = pattern_of(perturbation, names)
    return RetriedView(
        title=f"{said[0].upper()}{said[1:]}, found before the repair",
        size=size(perturbation),
        flips=f"Before the repair it flipped {sum(flipped)} of {len(flipped)} new images.",
        picture=perturbation_picture(perturbation.delta),
        columns=columns,
    )


def _calls(retried: Retried) -> Sequence[tuple[int, int]]:
    return list(zip(retried.plain, retried.before, strict=True))


def outcome_of(report: RepairReport) -> str:
    """How the page is marked: a repair whose new scan has no answer is not plainly good."""
    if report.problems:
        return "backdoored"
    return "inconclusive" if report.after.verdict.name == "inconclusive" else "clean"


def problems_of(report: RepairReport) -> tuple[str, ...]:
    """Why it is not accepted, as they may be shown."""
    return tuple(map(printable, report.problems))
