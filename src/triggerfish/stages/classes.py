"""The first search of a scan: one statistic for every class."""

from __future__ import annotations

from triggerfish.detectors import Ensemble
from triggerfish.results import ClassScores
from triggerfish.search.batching import with_enough_memory
from triggerfish.stages.pairs import PAIRS_START, may_follow
from triggerfish.stages.state import Found, State


class Classes:
    """The detector of the configuration, judged by the strongest null that is known."""

    def applies(self, state: State) -> bool:
        """Always: nothing else tells anything without it."""
        return state.scores is None

    def share(self, state: State) -> tuple[float, float]:
        """All of it, but for a search for pairs."""
        return 0.0, PAIRS_START if may_follow(state) else 1.0

    def __call__(self, state: State) -> Found:
        """Rows of every class, and of an attack on all of them."""
        scores = with_enough_memory(lambda: _scores(state))
        found = state.config.judge.weigh(scores, state.config.detector, state.known)
        return Found(found.evidence, found.findings, found.notes, scores)


def _scores(state: State) -> ClassScores:
    """Minimum norms are part of no score of the ensemble, so they run where they decide alone."""
    detector, seed = state.config.detector, state.config.seed
    if isinstance(detector, Ensemble):
        first = detector.parts[0]
        return detector(state.classifier, seed, min_norm=state.known.can_decide(first))
    return detector(state.classifier, seed)
