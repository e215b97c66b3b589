"""Before and after a repair, as a page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from triggerfish.cli.repair_table import repair_rows
from triggerfish.model.classifier import Classifier
from triggerfish.repairs.repair import Repaired, with_model
from triggerfish.reports.html import render_repair
from triggerfish.reports.html.repair_page import MOST_PICTURES, RepairReport, Retried
from triggerfish.results import Perturbation
from triggerfish.search.picture_pool import UNTARGETED
from triggerfish.search.pictures import pictures
from triggerfish.trial import called, changed

SHOWN_SEED = 1_000_004  # pictures that neither the scan, nor the repair, nor its check has drawn


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
        )
    )


def _retried(outcome: Repaired, classifier: Classifier, perturbation: Perturbation) -> Retried:
    """The perturbation on pictures that are not its target's already."""
    drawn = pictures(4 * MOST_PICTURES, classifier.input_shape, SHOWN_SEED)
    calls = called(classifier, drawn)
    chosen = [i for i, k in enumerate(calls) if k != perturbation.target][:MOST_PICTURES]
    with_it = changed(drawn[chosen], perturbation)
    return Retried(
        perturbation=perturbation,
        pictures=drawn[chosen],
        plain=tuple(calls[i] for i in chosen),
        before=called(classifier, with_it),
        after=called(with_model(classifier, outcome.model), with_it),
    )
