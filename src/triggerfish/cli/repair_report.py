"""Before and after a repair: as a table, and as a page."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from triggerfish.model.classifier import Classifier
from triggerfish.repairs.repair import CHECK_PICTURES, Repaired, with_model
from triggerfish.reports.html import render_repair
from triggerfish.reports.html.repair_page import MOST_PICTURES, RepairReport, Retried
from triggerfish.reports.rates import repairs
from triggerfish.reports.text import percent, printable
from triggerfish.reports.words import beside_threshold, targets
from triggerfish.results import Perturbation, Scanned
from triggerfish.results.deciding import strongest_row
from triggerfish.search import seeds
from triggerfish.search.picture_pool import UNTARGETED
from triggerfish.search.pictures import pictures
from triggerfish.trial import changed, predicted

LINE = "{:<37}  {:>26}  {:>26}\n"
FLAGS_NONE = "A new scan flags no class."
NO_LONGER = "The pattern that was found no longer works."
NONE_TRIED = "No pattern was found before, so none could be tried again."
ELSEWISE = (
    "A backdoor that moves each class to another, and was taken for one of a single class, is "
    "still there."
)
NOT_CLEAN = "The new scan is inconclusive, not clean: it cannot tell whether a backdoor is left."


def repair_table(outcome: Repaired, own_pictures: int | None) -> str:
    """The table; ``own_pictures`` is how many of the user's there were, None without."""
    rows = [("", "before", "after"), *repair_rows(outcome, own_pictures)]
    title = f"{printable(outcome.before.path)}, by {outcome.method}:\n"
    return title + "".join(f"{LINE.format(*row).rstrip()}\n" for row in rows)


def conclusions(outcome: Repaired) -> tuple[str, ...]:
    """What an accepted repair proves, in sentences, and how often that was enough."""
    held, verdict = repairs(), outcome.after.verdict
    return (
        f"{NONE_TRIED if math.isnan(outcome.success_after) else NO_LONGER} {FLAGS_NONE}",
        f"That proves no more. Of {held.n} networks of other people whose repair passed this "
        f"check, the true trigger was gone from {held}.",
        ELSEWISE,
        *((NOT_CLEAN,) if verdict.name == "inconclusive" else ()),
        *(f"because: {printable(reason)}" for reason in verdict.reasons),
        "Try the model on images of your own before you use it.",
    )


def repair_rows(outcome: Repaired, own_pictures: int | None) -> list[tuple[str, str, str]]:
    """What, before, after."""
    before, after = outcome.before, outcome.after
    rows = [
        ("verdict", _verdict(before), _verdict(after)),
        ("anomaly index / threshold (test)", _index(before), _index(after)),
        ("images that the patterns found flip", _share(outcome.success_before),
         _share(outcome.success_after)),
        (f"same answers to {CHECK_PICTURES} synthetic images", "", _share(outcome.agreement)),
    ]  # fmt: skip
    if outcome.agreement_on_images is not None:
        same = _share(outcome.agreement_on_images)
        rows.append((f"same answers to your {own_pictures} images", "", same))
    return rows


def _verdict(scanned: Scanned) -> str:
    if scanned.verdict.name == "clean":
        return "nothing flagged"
    named = targets(scanned)
    return f"{scanned.verdict.name}, {named}" if named else scanned.verdict.name


def _index(scanned: Scanned) -> str:
    """With its test: two tests have two scales."""
    row = strongest_row(scanned.verdict)
    return beside_threshold(scanned) + ("" if row is None else f" ({row.test})")


def _share(value: float) -> str:
    return percent(value) or "not measured"


def repair_page(
    outcome: Repaired, classifier: Classifier, target: Path, own_pictures: int | None
) -> str:
    """The document; ``target`` is the repaired file, the rest as `repair_table` takes it."""
    perturbations = [
        perturbation
        for perturbation in outcome.before.scores.perturbations
        if (UNTARGETED if perturbation.target is None else perturbation.target) in outcome.targets
    ]
    return render_repair(
        RepairReport(
            before=outcome.before,
            after=replace(outcome.after, path=target),
            method=outcome.method,
            problems=outcome.problems,
            rows=tuple(repair_rows(outcome, own_pictures)),
            retried=tuple(
                _retried(outcome, classifier, perturbation) for perturbation in perturbations
            ),
            conclusions=conclusions(outcome),
        )
    )


def _retried(outcome: Repaired, classifier: Classifier, perturbation: Perturbation) -> Retried:
    """The perturbation on pictures that are not its target's already."""
    drawn = pictures(4 * MOST_PICTURES, classifier.input_shape, seeds.SHOWN)
    calls = predicted(classifier, drawn)
    chosen = [i for i, k in enumerate(calls) if k != perturbation.target][:MOST_PICTURES]
    with_it = changed(drawn[chosen], perturbation)
    return Retried(
        perturbation=perturbation,
        pictures=drawn[chosen],
        plain=tuple(calls[i] for i in chosen),
        before=predicted(classifier, with_it),
        after=predicted(with_model(classifier, outcome.model), with_it),
    )
