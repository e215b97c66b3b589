"""Plain stamps, tried forward only: a trigger that has no gradient is seen by what it does.

A dictionary of small squares on synthetic images that the network is sure of
(`triggerfish.structure.stamps`). One that sends nearly all of them to one class, while its negative
and itself beside its place do not, is evidence by itself: nothing is searched, so there is nothing
to be small. On plain synthetic images half of the networks of tasks never seen had such a stamp.
"""

from __future__ import annotations

from triggerfish.detectors import Ensemble
from triggerfish.levels import STAMPS, Level, level_of
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import Evidence, Hypothesis, Null, Stamp
from triggerfish.search.batching import with_enough_memory
from triggerfish.search.sure_images import sure_images
from triggerfish.stages.state import Found, State
from triggerfish.structure.stamps import StampHit, stamp_hits
from triggerfish.verdict.conclude import is_void
from triggerfish.verdict.judge import Judge

LARGEST_SIDE = 64
"""Of larger images thousands of forward passes are no look in passing."""
UNTRAINED = "flat-output"
"""The finding that answers hardly move: then anything moves them."""
FEWEST_CLASSES = 3
"""Of two, half of all images are the target's already."""
START = 0.98  # of the time, where it begins


class PlainStamps:
    """One row and one picture for each class that a plain stamp leads to."""

    def applies(self, state: State) -> bool:
        """By the default rules, on small images of a network that tells them apart."""
        judge, classifier = state.config.judge, state.classifier
        return (
            judge == Judge(false_positive_rate=judge.false_positive_rate)
            and isinstance(state.config.detector, Ensemble)
            and not is_void(state.findings)
            and all(finding.code != UNTRAINED for finding in state.findings)
            and classifier.num_classes >= FEWEST_CLASSES
            and max(classifier.input_shape[1:]) <= LARGEST_SIDE
        )

    def share(self, state: State) -> tuple[float, float]:
        """Hardly any."""
        return START, 1.0

    def __call__(self, state: State) -> Found:
        """Rows of what works; a dictionary that says nothing is no evidence of anything."""
        hits = with_enough_memory(lambda: stamps_on(state.classifier, state.config.seed))
        rows = tuple(map(_row, hits))
        shown = (hit for hit, row in zip(hits, rows, strict=True) if row.flags)
        return Found(rows, stamps=tuple(map(_stamp, shown)))


def stamps_on(classifier: Classifier, seed: int) -> tuple[StampHit, ...]:
    """The stamps that work on a classifier, checked on images that it is sure of."""
    classifier = folded(classifier)
    return stamp_hits(
        lambda x: classifier.logits(x.to(classifier.device, classifier.dtype)).cpu(),
        classifier.input_shape,
        seed,
        lambda images: sure_images(classifier, images).cpu().to(images.dtype),
    )


def _row(hit: StampHit) -> Evidence:
    level = level_of(STAMPS, "stamp", "fixed") or Level(1.0)
    return Evidence(
        Hypothesis("stamp", hit.target), STAMPS, hit.flips - hit.control, level.flag_at,
        level.suspect_at, Null("fixed"), note_only=level.note_only,
    )  # fmt: skip


def _stamp(hit: StampHit) -> Stamp:
    return Stamp(
        target=hit.target,
        origin="dictionary",
        image=hit.stamp.clone(),
        mask=hit.mask.float().expand_as(hit.stamp).clone(),
        success_rate=hit.flips,
        control=hit.control,
        count=hit.count,
        pictures=hit.pictures,
        stamped=hit.stamped,
        before=hit.before,
        after=hit.after,
    )
