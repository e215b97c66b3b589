"""The change that was found, as a page shows it: itself, its size, and pictures with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from triggerfish.reports.html.pictures import (
    amplification,
    change_picture,
    picture,
    with_change,
)
from triggerfish.reports.html.plain_change import plain_changes
from triggerfish.reports.html.size_strip import SizeStrip, size_strip
from triggerfish.reports.words import (
    UNITS,
    changes,
    into,
    label,
    owned_changes,
    size,
    success,
    tried,
)
from triggerfish.results import Change, ClassScores, Scanned, Status, Trial

MOST_PICTURES = 8
LEAST_FACTOR = 1.05  # a change that is as strong as can be drawn is shown as it is


@dataclass(frozen=True)
class Column:
    """One picture without and with the change; ``turned`` when it became what was wanted."""

    plain: str
    called: str
    changed: str
    called_with: str
    turned: bool


@dataclass(frozen=True)
class ChangeView:
    """``picture`` is None where the change itself was not stored; ``factor`` amplifies it."""

    title: str
    target: str
    basis: str
    picture: str | None
    factor: str
    size: str
    success: str
    seen_by: str
    strip: SizeStrip | None
    columns: tuple[Column, ...]
    suspicious: bool


@dataclass(frozen=True)
class TrialView:
    """The same on the user's own pictures."""

    words: str
    columns: tuple[Column, ...]


def change_views(result: Scanned) -> list[ChangeView]:
    """Those to the flagged classes; where none is flagged, the smallest beside its median.

    Where no universal change was looked for, what makes a single plain picture a flagged class.
    """
    owned = owned_changes(result.scores)
    verdict = result.verdict
    wanted = [
        (scores, change)
        for scores, change in owned
        if (verdict.all_classes if change.target is None else change.target in verdict.flagged)
    ]
    if wanted or verdict.flagged:
        found = wanted or plain_changes(result)
        return [_view(result, scores, change, suspicious=True) for scores, change in found]
    measured = [
        (scores, change)
        for scores, change in owned
        if change.target is not None and change.status is Status.CONVERGED and change.size > 0
    ]
    measured.sort(key=lambda pair: pair[1].size / pair[1].median_size)
    return [_view(result, s, c, suspicious=False) for s, c in measured[:1]]


def trial_views(result: Scanned) -> list[TrialView]:
    """Each trial, with the change that it tried."""
    views = []
    for trial in result.trials:
        key = (trial.target, trial.basis)
        found = [c for c in changes(result.scores) if (c.target, c.basis) == key]
        words = tried(trial, result.class_names)
        columns = _trial_columns(result, trial, found)
        views.append(TrialView(f"{words[0].upper()}{words[1:]}.", columns))
    return views


def _view(result: Scanned, scores: ClassScores, change: Change, *, suspicious: bool) -> ChangeView:
    factor = amplification(change.delta)
    target = "another class" if change.target is None else label(change.target, result.class_names)
    seen = () if change.target is None else result.verdict.seen_by.get(change.target, ())
    return ChangeView(
        title=_title(result, change, suspicious=suspicious),
        target=target,
        basis=UNITS[change.basis],
        picture=change_picture(change.delta),
        factor=f"{factor:.2g}" if factor >= LEAST_FACTOR else "",
        size=size(change),
        success="" if math.isnan(change.success) else success(change),
        seen_by=", ".join(seen),
        strip=size_strip(result, scores, change),
        columns=_columns(result, scores, change),
        suspicious=suspicious,
    )


def _title(result: Scanned, change: Change, *, suspicious: bool) -> str:
    where = into(change.target, result.class_names)
    if math.isnan(change.success):
        return f"This change turns a plain picture {where}"
    if suspicious:
        return f"This change turns pictures {where}"
    return f"The smallest change that was found turns pictures {where}"


def _columns(result: Scanned, scores: ClassScores, change: Change) -> tuple[Column, ...]:
    if scores.pictures is None or bool(change.delta.isnan().any()):
        return ()
    called = scores.picture_classes or (None,) * len(scores.pictures)
    # Those that are the target already show nothing; they come last.
    order = sorted(range(len(called)), key=lambda i: called[i] == change.target)[:MOST_PICTURES]
    shown, after = scores.pictures[order], change.picture_classes
    pictures = (shown, with_change(shown, change.delta))
    before = tuple(called[i] for i in order)
    return _paired(result, change.target, pictures, before, tuple(after[i] for i in order if after))


def _trial_columns(result: Scanned, trial: Trial, found: list[Change]) -> tuple[Column, ...]:
    shown = trial.pictures[:MOST_PICTURES]
    if not len(shown) or not found or bool(found[0].delta.isnan().any()):
        return ()
    changed = with_change(shown, found[0].delta)
    return _paired(result, trial.target, (shown, changed), trial.before, trial.after)


def _paired(
    result: Scanned,
    target: int | None,
    pictures: tuple[Tensor, Tensor],
    before: tuple[int | None, ...],
    after: tuple[int, ...],
) -> tuple[Column, ...]:
    """Pictures (P, C, H, W) without and with the change, and what they are called."""
    plain, changed = pictures
    columns = []
    for i in range(len(plain)):
        was, now = (calls[i] if i < len(calls) else None for calls in (before, after))
        columns.append(
            Column(
                plain=picture(plain[i]),
                called="" if was is None else label(was, result.class_names),
                changed=picture(changed[i]),
                called_with="" if now is None else label(now, result.class_names),
                turned=now is not None and now != was and target in (None, now),
            )
        )
    return tuple(columns)
