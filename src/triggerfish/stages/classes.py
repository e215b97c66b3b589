"""The first search of a scan: one statistic for every class.

Where clean networks of the recipe or of the task are known, it asks for what is unusual among them,
on plain synthetic images. Where none are, the network itself is the null, and it searches on images
that the network is sure of (`triggerfish.stages.sure`).
"""

from __future__ import annotations

import math
from functools import partial

import torch

from triggerfish.detectors import Ensemble
from triggerfish.results import ClassScores, Evidence, Finding, Hypothesis, Null, Status
from triggerfish.search.batching import with_enough_memory
from triggerfish.stages.state import Found, Stage, State, universal_of
from triggerfish.stages.sure import FEWEST_CLASSES, decides_alone, judged_alone
from triggerfish.verdict.conclude import FEW, is_void

DEAD = "constant-output"
"""The finding that nothing changes what the network answers."""
NOT_SEARCHED = "nothing was searched, as no score could tell anything: --thorough searches even so"


class Classes(Stage):
    """The detector of the configuration, judged by the strongest null that is known."""

    def applies(self, state: State) -> bool:
        """Always: nothing else tells anything without it."""
        return state.scores is None

    def passes(self, state: State) -> float:
        """Those of the search for universal perturbations; another detector is all there is."""
        search = universal_of(state.config.detector)
        if search is None:
            return 1.0
        sure = decides_alone(state)
        return sum(search.passes(search.searched(state.classifier), sure=sure))

    def __call__(self, state: State) -> Found:
        """Rows of every class, and of an attack on all of them."""
        if (why := _known_before(state)) is not None:
            return _not_searched(state, why)
        if decides_alone(state):
            return judged_alone(state)
        detector, seed = state.config.detector, state.config.seed
        search = partial(detector, state.classifier, seed)
        if isinstance(detector, Ensemble):
            # Minimum norms are no part of its score, so they run where they decide alone.
            needed = state.known.can_decide(detector.parts[0])
            search = partial(detector, state.classifier, seed, min_norm=needed)
        scores = with_enough_memory(search)
        found = state.config.judge.weigh(scores, detector, state.known)
        return Found(found.evidence, found.findings, found.notes, scores)


def _known_before(state: State) -> tuple[Finding, ...] | None:
    """Why no score of a default scan could tell anything, None where one could.

    Nothing is added to what the model itself shows. ``thorough`` searches all the same.
    """
    detector = state.config.detector
    if not isinstance(detector, Ensemble) or detector.thorough:
        return None
    if is_void(state.findings) or any(finding.code == DEAD for finding in state.findings):
        return ()
    count = state.classifier.num_classes
    if count < FEWEST_CLASSES and not state.known.has_population(detector):
        return (
            Finding(
                FEW,
                f"of {count} classes a scan cannot tell a trigger from an easy class, so nothing "
                "was searched. Test every class, or calibrate on clean models of this network and "
                "task",
            ),
        )
    return None


def _not_searched(state: State, why: tuple[Finding, ...]) -> Found:
    """Every class as not measured."""
    count, test = state.classifier.num_classes, state.config.detector.scored_by
    nothing = torch.full((count,), torch.nan, dtype=torch.float64)
    scores = ClassScores(
        name="not_searched",
        statistic=nothing,
        status=(Status.SCREENED,) * count,
        images=torch.zeros(0, *state.classifier.input_shape),
        probability=nothing,
        logits=torch.zeros(0, count),
        shown=(),
    )
    rows = tuple(
        Evidence(Hypothesis("target", k), test, math.nan, math.nan, None, Null("fixed"))
        for k in range(count)
    )
    return Found(rows, why, (NOT_SEARCHED,), scores)
