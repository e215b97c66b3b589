"""The last search of a scan, on request: a perturbation that flips one class into another.

It costs as much as all others together and means something only beside clean networks of the same
task, so it follows where they found nothing and such networks are known. Its rows are notes
(levels.py), so no verdict waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from triggerfish.detectors import Ensemble
from triggerfish.detectors.universal_pairs import pair_perturbation
from triggerfish.results import ClassScores, Evidence, Pairs, Perturbation, Status
from triggerfish.search.batching import with_enough_memory
from triggerfish.stages.state import Found, State
from triggerfish.verdict.conclude import is_void
from triggerfish.verdict.judge import Judge

PAIRS_START = 0.4  # of the time, where the search begins
MOST = 8  # pairs that are searched for once more

Pair = tuple[int, int]


def may_follow(state: State) -> bool:
    """Whether clean networks of the task are known to compare with.

    Not where the user says how to judge: by a threshold, a test or models of their own.
    """
    config, judge = state.config, state.config.judge
    return (
        config.pairs
        and isinstance(config.detector, Ensemble)
        and not config.detector.fast
        and judge == Judge(false_positive_rate=judge.false_positive_rate)
        and state.classifier.num_classes <= config.pair_search.max_classes
        and state.known.choose(config.pair_search).same_task is not None
    )


class PairsOfClasses:
    """Every pair once; one that stands out again, on new images, judged by both searches."""

    def applies(self, state: State) -> bool:
        """Where nothing was found, and the task is known."""
        return state.verdict.name == "clean" and may_follow(state)

    def share(self, state: State) -> tuple[float, float]:
        """More than half of the time."""
        return PAIRS_START, 1.0

    def __call__(self, state: State) -> Found:
        """A row per target and its most suspicious source."""
        return with_enough_memory(lambda: _search(state))


def _search(state: State) -> Found:
    config, scores = state.config, state.scores
    assert scores is not None
    found = first = config.pair_search(state.classifier, config.seed)
    rows, again = _rows(state, found), dict[Pair, Perturbation]()
    while new := [pair for pair in _flagged(rows) if pair not in again][: MOST - len(again)]:
        for pair in new:
            again[pair] = pair_perturbation(
                state.classifier, config.pair_search, *pair, first, config.seed
            )
        found = replace(first, pairs=_by_both(first, again))
        rows = _rows(state, found)
    # What stands out in one search alone is no evidence.
    rows = [replace(row, note_only=True) if _pair(row) not in again else row for row in rows]
    shown = [again[pair] for pair in _flagged(rows) if pair in again]
    perturbations = (*shown, *scores.perturbations)
    notes = [
        f"class {row.hypothesis.target} is flagged by {row.test}: images of class "
        f"{row.hypothesis.source} are led to it, at {row.score:.2f} above the threshold "
        f"{row.flag_at:.2f}"
        for row in rows
        if row.flags and not row.note_only
    ]
    scores = replace(scores, pairs=found.pairs, perturbations=perturbations)
    return Found(tuple(rows), notes=tuple(notes), scores=scores)


def _rows(state: State, found: ClassScores) -> list[Evidence]:
    """The rows of all pairs, none where their scores mean nothing."""
    weighed = state.config.judge.weigh(found, state.config.pair_search, state.known)
    return [] if is_void(weighed.findings) else list(weighed.evidence)


def _pair(row: Evidence) -> Pair | None:
    source, target = row.hypothesis.source, row.hypothesis.target
    return None if source is None or target is None else (source, target)


def _flagged(rows: Sequence[Evidence]) -> list[Pair]:
    """The pairs (source, target) that rows speak for."""
    return [pair for row in rows if row.flags and (pair := _pair(row)) is not None]


def _by_both(found: ClassScores, again: Mapping[Pair, Perturbation]) -> Pairs | None:
    """The scores of pairs, those searched ``again`` as the mean of both searches.

    Where the second one did not get there, the pair is an ordinary one.
    """
    if found.pairs is None:
        return None
    score, norm = found.pairs.score.clone(), found.pairs.norm.clone()
    for (source, target), perturbation in again.items():
        reached = perturbation.status is Status.CONVERGED
        ratio = math.log(perturbation.median_size / perturbation.size) if reached else 0.0
        size = perturbation.size if reached else float(norm[source].nanquantile(0.5))
        score[source, target] = (score[source, target] + ratio) / 2 if reached else 0.0
        norm[source, target] = (norm[source, target] * size).sqrt()
    return Pairs(score, norm)
