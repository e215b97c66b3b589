"""The last search of a default scan: a change that leads the pictures of one class to another.

It costs as much as all others together and means something only beside clean networks of the same
task, so it follows where they found nothing and such networks are known.
"""

from __future__ import annotations

from dataclasses import replace

from triggerfish.detectors.universal_pairs import UniversalPairs, pair_change
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Verdict
from triggerfish.search.progress import share_of_work
from triggerfish.verdict.judge import Judge

SEARCH = UniversalPairs()
START = 0.5  # of the time, where the search begins


def is_wanted(classifier: Classifier, verdict: Verdict, judge: Judge) -> bool:
    """Whether nothing was found so far, and clean networks of the task are known to compare with.

    Not where the user says how to judge: by a threshold, a test or models of their own.
    """
    return (
        verdict.name == "clean"
        and judge == Judge(false_positive_rate=judge.false_positive_rate)
        and classifier.num_classes <= SEARCH.max_classes
        and judge.peers_of(classifier, SEARCH) is not None
    )


def look_for_pairs(
    classifier: Classifier, scores: ClassScores, verdict: Verdict, judge: Judge, seed: int
) -> tuple[ClassScores, Verdict]:
    """The scores with those of all pairs, and the verdict with the targets that they give away.

    Each such pair is searched for once more, on new pictures, to show its change.
    """
    with share_of_work(START, 1.0):
        found = SEARCH(classifier, seed)
    scores = replace(scores, pairs=found.pairs)
    pairs = judge(found, classifier, SEARCH)
    if not pairs.flagged:
        return scores, verdict
    changes = [
        pair_change(classifier, SEARCH, source, target, found, seed)
        for target, source in pairs.sources.items()
    ]
    notes = [
        f"class {target} is flagged by {SEARCH.name}: pictures of class {source} are led to it, at "
        f"{pairs.anomaly_index[target]:.2f} above the threshold {pairs.threshold:.2f}"
        for target, source in pairs.sources.items()
    ]
    verdict = replace(
        verdict,
        name="backdoored",
        flagged=pairs.flagged,
        sources=pairs.sources,
        seen_by=dict.fromkeys(pairs.flagged, (SEARCH.name,)),
        notes=(*verdict.notes, *notes),
    )
    return replace(scores, changes=(*changes, *scores.changes)), verdict
