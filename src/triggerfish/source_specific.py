"""The last search of a default scan: a perturbation that flips one class into another.

It costs as much as all others together and means something only beside clean networks of the same
task, so it follows where they found nothing and such networks are known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from triggerfish.detectors.universal_pairs import UniversalPairs, pair_perturbation
from triggerfish.model.classifier import Classifier
from triggerfish.results import ClassScores, Pairs, Perturbation, Status, Verdict
from triggerfish.search.progress import share_of_work
from triggerfish.verdict.judge import Judge

SEARCH = UniversalPairs()
START = 0.4  # of the time, where the search begins
MOST = 8  # pairs that are searched for once more


def is_possible(classifier: Classifier, judge: Judge) -> bool:
    """Whether clean networks of the task are known to compare with.

    Not where the user says how to judge: by a threshold, a test or models of their own.
    """
    return (
        judge == Judge(false_positive_rate=judge.false_positive_rate)
        and classifier.num_classes <= SEARCH.max_classes
        and judge.same_task_of(classifier, SEARCH) is not None
    )


def look_for_pairs(
    classifier: Classifier, scores: ClassScores, verdict: Verdict, judge: Judge, seed: int
) -> tuple[ClassScores, Verdict]:
    """The scores with those of all pairs, and the verdict with the targets that they give away.

    A pair that stands out is searched for once more, on new pictures, and judged by both searches.
    """
    with share_of_work(START, 1.0):
        found = first = SEARCH(classifier, seed)
    pairs = judge(found, classifier, SEARCH)
    perturbations = dict[tuple[int, int], Perturbation]()
    while new := [pair for pair in _named(pairs) if pair not in perturbations][
        : MOST - len(perturbations)
    ]:
        for pair in new:
            perturbations[pair] = pair_perturbation(classifier, SEARCH, *pair, first, seed)
        found = replace(first, pairs=_by_both(first, perturbations))
        pairs = judge(found, classifier, SEARCH)
    scores = replace(scores, pairs=found.pairs)
    sources = {
        target: source for source, target in _named(pairs) if (source, target) in perturbations
    }
    if not sources:
        return scores, verdict
    notes = [
        f"class {target} is flagged by {SEARCH.name}: pictures of class {source} are led to it, at "
        f"{pairs.anomaly_index[target]:.2f} above the threshold {pairs.threshold:.2f}"
        for target, source in sources.items()
    ]
    verdict = replace(
        verdict,
        name="backdoored",
        flagged=tuple(sources),
        sources=sources,
        seen_by=dict.fromkeys(sources, (SEARCH.name,)),
        notes=(*verdict.notes, *notes),
    )
    shown = tuple(perturbations[source, target] for target, source in sources.items())
    return replace(scores, perturbations=(*shown, *scores.perturbations)), verdict


def _named(verdict: Verdict) -> list[tuple[int, int]]:
    """The pairs (source, target) that it names."""
    return [(source, target) for target, source in verdict.sources.items()]


def _by_both(
    found: ClassScores, perturbations: Mapping[tuple[int, int], Perturbation]
) -> Pairs | None:
    """The scores of pairs, those in ``perturbations`` as the mean of both searches.

    Where the second one did not get there, the pair is an ordinary one.
    """
    if found.pairs is None:
        return None
    score, norm = found.pairs.score.clone(), found.pairs.norm.clone()
    for (source, target), perturbation in perturbations.items():
        reached = perturbation.status is Status.CONVERGED
        again = math.log(perturbation.median_size / perturbation.size) if reached else 0.0
        size = perturbation.size if reached else float(norm[source].nanquantile(0.5))
        score[source, target] = (score[source, target] + again) / 2 if reached else 0.0
        norm[source, target] = (norm[source, target] * size).sqrt()
    return Pairs(score, norm)
