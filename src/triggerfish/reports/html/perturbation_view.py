"""The perturbation that was found, as a page shows it: itself, its size, and pictures with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from triggerfish.reports.html.pictures import (
    amplification,
    perturbation_picture,
    perturbed,
    picture,
    stamp_picture,
    stamped,
)
from triggerfish.reports.html.plain_perturbation import plain_perturbations
from triggerfish.reports.html.size_strip import SizeStrip, size_strip
from triggerfish.reports.text import percent
from triggerfish.reports.words import (
    UNITS,
    beside_others,
    has_too_few_classes,
    is_in_program,
    label,
    owned_perturbations,
    pattern_of,
    perturbations,
    size,
    source_of,
    success_rate,
    tried,
)
from triggerfish.results import ClassScores, Perturbation, Scanned, Stamp, Status, Trial

MOST_PICTURES = 8
LEAST_FACTOR = 1.05  # a perturbation that is as strong as can be drawn is shown as it is


@dataclass(frozen=True)
class Column:
    """One picture without and with the perturbation; ``flipped`` when it became what was wanted."""

    plain: str
    predicted: str
    changed: str
    predicted_with: str
    flipped: bool


@dataclass(frozen=True)
class PerturbationView:
    """``picture`` is None where the change itself was not stored; ``factor`` amplifies it.

    What is ``replaced`` takes the place of pixels, where others are added to them.
    """

    title: str
    target: str
    basis: str
    picture: str | None
    factor: str
    size: str
    success_rate: str
    seen_by: str
    strip: SizeStrip | None
    columns: tuple[Column, ...]
    suspicious: bool
    replaced: bool = False
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialView:
    """The same on the user's own pictures."""

    words: str
    columns: tuple[Column, ...]


def perturbation_views(result: Scanned) -> list[PerturbationView]:
    """Those to the flagged classes; where none is flagged, the smallest beside its median.

    Where no universal perturbation was looked for, what makes a single plain picture a flagged
    class.
    """
    stamps = [stamp_view(result, stamp) for stamp in result.stamps]
    if is_in_program(result):
        return stamps
    return [*stamps, *_universal_views(result)]


def stamp_view(result: Scanned, stamp: Stamp) -> PerturbationView:
    """The trigger of a proof, or a plain stamp: on grey, and on images that it flipped."""
    what, control = {
        "program": ("trigger, computed from the program,", "with the branch held shut"),
        "dictionary": ("stamp", "as its negative or beside its place"),
    }[stamp.origin]
    pixels = int((stamp.mask > 0).any(0).sum())
    own = ", fitted to each image" if stamp.fitted else ""
    return PerturbationView(
        title=f"The {what} for class {label(stamp.target, result.class_names)}",
        target=label(stamp.target, result.class_names),
        basis=UNITS["stamp"],
        picture=picture(stamp_picture(stamp)),
        factor="",
        size=f"{pixels} pixel{'s' * (pixels != 1)} replaced{own}",
        success_rate=f"works on {percent(stamp.success_rate)} of {stamp.count} synthetic images, "
        f"and on {percent(stamp.control)} {control}",
        seen_by="",
        strip=None,
        columns=_paired(
            result, stamp.target, (stamp.pictures, stamp.stamped), stamp.before, stamp.after
        ),
        suspicious=True,
        replaced=True,
    )


def _universal_views(result: Scanned) -> list[PerturbationView]:
    owned = owned_perturbations(result.scores)
    verdict = result.verdict
    wanted = [
        (scores, perturbation)
        for scores, perturbation in owned
        if (
            verdict.all_classes
            if perturbation.target is None
            else perturbation.target in verdict.flagged
        )
    ]
    if wanted or verdict.flagged:
        found = wanted or plain_perturbations(result)
        return [
            _view(result, scores, perturbation, suspicious=True) for scores, perturbation in found
        ]
    measured = [
        (scores, perturbation)
        for scores, perturbation in owned
        if perturbation.target is not None
        and perturbation.status is Status.CONVERGED
        and perturbation.size > 0
    ]
    measured.sort(key=lambda pair: pair[1].size / pair[1].median_size)
    return [_view(result, s, c, suspicious=False) for s, c in measured[:1]]


def trial_views(result: Scanned) -> list[TrialView]:
    """Each trial, with the perturbation that it tried."""
    views = []
    for trial in result.trials:
        key = (trial.target, trial.basis)
        found: list[Perturbation | Stamp] = [
            c for c in perturbations(result.scores) if (c.target, c.basis) == key
        ]
        if trial.basis == "stamp":
            found = [stamp for stamp in result.stamps if stamp.target == trial.target]
        words = tried(trial, result.class_names)
        columns = _trial_columns(result, trial, found)
        views.append(TrialView(f"{words[0].upper()}{words[1:]}.", columns))
    return views


def _view(
    result: Scanned, scores: ClassScores, perturbation: Perturbation, *, suspicious: bool
) -> PerturbationView:
    factor = amplification(perturbation.delta)
    target = (
        "another class"
        if perturbation.target is None
        else label(perturbation.target, result.class_names)
    )
    seen = (
        () if perturbation.target is None else result.verdict.seen_by.get(perturbation.target, ())
    )
    return PerturbationView(
        title=_title(result, perturbation, suspicious=suspicious),
        target=target,
        basis=UNITS[perturbation.basis],
        picture=perturbation_picture(perturbation.delta),
        factor=f"{factor:.2g}" if factor >= LEAST_FACTOR else "",
        size=size(perturbation),
        success_rate=success_rate(perturbation),
        seen_by=", ".join(seen),
        strip=size_strip(result, scores, perturbation),
        columns=_columns(result, scores, perturbation, suspicious=suspicious),
        suspicious=suspicious,
        beside=tuple(
            beside_others(result, scores, perturbation)
            if suspicious
            else _not_flagged(result, target)
        ),
    )


def _not_flagged(result: Scanned, target: str) -> Iterator[str]:
    """What the smallest pattern means where nothing is flagged; it may be a backdoor's."""
    if has_too_few_classes(result):
        yield "with so few classes the scan cannot judge whether this is unusually small"
        return
    yield f"class {target} is not flagged"
    if result.verdict.name == "inconclusive":
        yield "the scan cannot tell whether this pattern is a trigger"
    else:
        yield "every class has such a pattern; this one is the smallest beside the median class"


def _title(result: Scanned, perturbation: Perturbation, *, suspicious: bool) -> str:
    if not suspicious and has_too_few_classes(result):
        return "The smallest pattern beside its median class"
    if not suspicious:
        return "For comparison: the smallest pattern beside its median class"
    if math.isnan(perturbation.success_rate):
        assert perturbation.target is not None
        named = label(perturbation.target, result.class_names)
        return f"The change that makes a plain image class {named}"
    said = pattern_of(perturbation, result.class_names, source_of(result, perturbation))
    return f"{said[0].upper()}{said[1:]}"


def _columns(
    result: Scanned, scores: ClassScores, perturbation: Perturbation, *, suspicious: bool
) -> tuple[Column, ...]:
    if scores.pictures is None or bool(perturbation.delta.isnan().any()):
        return ()
    predicted = scores.predicted_classes or (None,) * len(scores.pictures)
    # Those that are the target already show nothing; they come last.
    order = sorted(range(len(predicted)), key=lambda i: predicted[i] == perturbation.target)[
        :MOST_PICTURES
    ]
    shown, after = scores.pictures[order], perturbation.predicted_classes
    pictures = (shown, perturbed(shown, perturbation.delta))
    before = tuple(predicted[i] for i in order)
    told = tuple(after[i] for i in order if after)
    return _paired(result, perturbation.target, pictures, before, told, suspicious=suspicious)


def _trial_columns(
    result: Scanned, trial: Trial, found: list[Perturbation | Stamp]
) -> tuple[Column, ...]:
    shown = trial.pictures[:MOST_PICTURES]
    if not len(shown) or not found:
        return ()
    first = found[0]
    if isinstance(first, Stamp):
        changed = stamped(shown, first)
    elif bool(first.delta.isnan().any()):
        return ()
    else:
        changed = perturbed(shown, first.delta)
    return _paired(result, trial.target, (shown, changed), trial.before, trial.after)


def _paired(
    result: Scanned,
    target: int | None,
    pictures: tuple[Tensor, Tensor],
    before: tuple[int | None, ...],
    after: tuple[int, ...],
    *,
    suspicious: bool = True,
) -> tuple[Column, ...]:
    """Images (P, C, H, W) without and with the perturbation, with their predicted classes.

    Those that it flips are marked where the perturbation is ``suspicious``.
    """
    plain, changed = pictures
    columns = []
    for i in range(len(plain)):
        was, now = (calls[i] if i < len(calls) else None for calls in (before, after))
        columns.append(
            Column(
                plain=picture(plain[i]),
                predicted="" if was is None else label(was, result.class_names),
                changed=picture(changed[i]),
                predicted_with="" if now is None else label(now, result.class_names),
                flipped=suspicious and now is not None and now != was and target in (None, now),
            )
        )
    return tuple(columns)
