"""A search on images that the network is sure of: the network itself is the null.

Where no clean networks of the task are known, this search decides about classes. Where some are, it
is a confirmation test: being unusual among them is no trigger yet, and a flag stands only where the
class is small on such images too.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import lru_cache, partial
from importlib import resources

import torch
from torch import Tensor

from triggerfish.confirmation.search import likelier_basis
from triggerfish.detectors import Universal
from triggerfish.detectors.universal import (
    measured_sizes,
    sure_pool,
)
from triggerfish.levels import SURE, Level, level_of, sure_test
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import (
    BASES,
    Basis,
    ClassScores,
    Evidence,
    Hypothesis,
    Null,
    NullKind,
    Status,
)
from triggerfish.search import seeds
from triggerfish.search.batching import rows_that_fit, with_enough_memory
from triggerfish.search.recall import searches_of
from triggerfish.search.universal import search_universal
from triggerfish.stages.state import Found, Stage, State, universal_of
from triggerfish.statistics.scores import sure_score
from triggerfish.verdict.conclude import is_void
from triggerfish.verdict.judge import Judge, choose_case
from triggerfish.verdict.rules import as_high
from triggerfish.verdict.sanity import check_scores, probe_logits

FEWEST_CLASSES = 3
"""Of two, clean classes are as small as targets, on images of any kind (docs/limits.md)."""
RESTING = 0.9
"""Of blank and noise images, for a class that whatever is disturbed comes to rest in."""
RESTING_NOTE = (
    "nearly all blank and noise images are class {k}, which may mean 'nothing there': "
    "a small pattern towards it says nothing of a trigger, so it is not flagged"
)


class SureImages(Stage):
    """Every class once more, on images that lead for each class in turn."""

    def applies(self, state: State) -> bool:
        """By the default rules, where clean networks are known and something is in question."""
        compared = any(row.null.kind in ("same-recipe", "same-task") for row in state.evidence)
        return compared and _may_run(state) and bool(state.in_question())

    def __call__(self, state: State) -> Found:
        """Tests of what is flagged or suspected."""
        search, classifier = universal_of(state.config.detector), folded(state.classifier)
        first = searches_of(classifier)
        assert search is not None
        assert first is not None  # the first search has kept what it found
        targets, seed = tuple(state.in_question()), state.config.seed + seeds.SURE
        test = partial(controls, classifier, search, first.classes, targets, seed)
        return Found(with_enough_memory(test))


def decides_alone(state: State) -> bool:
    """Whether this search is the one for classes: no clean networks are known to compare with."""
    return _may_run(state) and not state.known.has_population(state.config.detector)


def judged_alone(state: State) -> Found:
    """A row per class, against the network's other classes."""
    detector, scores = state.config.detector, sure_scores(state)
    because = choose_case(state.known, detector, scores).choice.because
    findings = check_scores(scores, state.classifier.num_pixels, detector.may_be_unreachable)
    note = (
        f"uncalibrated: {because}; judged by its own other classes, on images that it is sure of. "
        "Attacks from one class alone, or on all at once, were not looked for"
    )
    _, height, width = state.classifier.input_shape
    resting = resting_class(state.classifier)
    rows = class_rows(scores, math.sqrt(height * width), resting)
    notes = (note,) if resting is None else (note, RESTING_NOTE.format(k=resting))
    return Found(rows, tuple(findings), notes, scores)


def resting_class(classifier: Classifier) -> int | None:
    """The class of nearly all blank and noise images, such as one that means *nothing there*.

    Whatever is disturbed comes to rest in it, so a small pattern towards it tells no trigger. The
    one clean network of other people that this search accused has such a class; of the attacked
    ones whose task is not known, no target is one.
    """
    predicted = probe_logits(classifier).argmax(1)
    share, most = predicted.bincount(minlength=classifier.num_classes).div(len(predicted)).max(0)
    return int(most) if float(share) >= RESTING else None


def sure_scores(state: State) -> ClassScores:
    """What the search finds, with the settings of the scan's detector."""
    search = universal_of(state.config.detector)
    assert search is not None
    return with_enough_memory(lambda: search(state.classifier, state.config.seed, sure=True))


def class_rows(
    scores: ClassScores, side: float = math.inf, resting: int | None = None
) -> tuple[Evidence, ...]:
    """Against the network's other classes and what triggers cost: one row a hypothesis.

    ``side`` is that of an image in pixels. The ``resting`` class may be suspected, never flagged.
    """
    searched = sum(state is not Status.SCREENED for state in scores.status)
    found = [
        _row(Hypothesis("target", k), value, "outliers", sure_test(searched, side))
        for k, value in enumerate(scores.statistic.tolist())
    ]
    return tuple(
        replace(row, flag_at=math.inf) if row.hypothesis.target == resting else row for row in found
    )


def controls(
    classifier: Classifier,
    search: Universal,
    classes: Tensor,
    targets: tuple[int, ...],
    seed: int,
) -> tuple[Evidence, ...]:
    """Whether what other rows flag is small on these images too; no row where unmeasured.

    The same search as a test of the ``targets`` in question, over the ``classes`` (M,) of the first
    one. Of two bases the likelier comes first; the other follows where the score, the larger of
    both, may still be another one.
    """
    rows = rows_that_fit(classifier, search.memory_mib)
    pool = sure_pool(classifier, seed, rows)
    place = torch.searchsorted(classes, torch.tensor(targets, dtype=torch.long))
    nothing = torch.full((len(classes),), torch.nan, dtype=torch.float64)
    sizes, score, level = dict[Basis, Tensor](), nothing, level_of(SURE, "target", "same-size")
    assert level is not None
    likelier = likelier_basis(classifier, targets[0])
    for basis in sorted(BASES, key=lambda one: one != likelier):
        frequency = torch.full_like(classes, basis == "frequency").bool()
        sizes[basis] = measured_sizes(
            search_universal(classifier, pool, classes, frequency, search.search, seed, rows)
        )
        pixel, waves = (sizes.get(one, nothing) for one in BASES)
        score = sure_score(pixel, waves, classifier.input_shape)
        # The score is the larger of both bases: once every class in question is above the level in
        # one, the other cannot take that back, and half of the time is saved.
        if bool((score[place] > level.flag_at).all()):
            break
    return tuple(
        _row(Hypothesis("target", k), value, "same-size")
        for k, value in zip(targets, score[place].tolist(), strict=True)
        if not math.isnan(value)
    )


def _may_run(state: State) -> bool:
    """By the default rules, with a search that they are for, and classes enough."""
    # A threshold, a test or a reference of the user's own decides alone: no row of ours beside it.
    judge = state.config.judge
    return (
        judge == Judge(false_positive_rate=judge.false_positive_rate)
        and universal_of(state.config.detector) is not None
        and not is_void(state.findings)
        and state.classifier.num_classes >= FEWEST_CLASSES
    )


def _row(h: Hypothesis, score: float, null: NullKind, test: str = SURE) -> Evidence:
    level = level_of(test, h.kind, null) or Level(math.nan)
    # Clean networks were counted by the search that decides, not by the one that tests a flag.
    counted = (h.kind, null) == ("target", "outliers")
    clean = clean_scores().get(test, ()) if counted else ()
    return Evidence(
        h, SURE, score, level.flag_at, level.suspect_at, Null(null), note_only=level.note_only,
        clean_as_high=as_high(clean, score), clean_networks=len(clean) or None,
    )  # fmt: skip


@lru_cache(maxsize=1)
def clean_scores() -> dict[str, tuple[float, ...]]:
    """By number of classes, the largest score of each clean network that the levels rest on.

    The benchmark ``family`` makes the file.
    """
    text = (resources.files("triggerfish") / "data" / "clean_scores.json").read_text("utf-8")
    return {test: tuple(scores) for test, scores in json.loads(text).items()}
