"""What a gate does to the answer: it is set by hand, and the rest of the program runs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from triggerfish.structure.evaluate import Program

# Answers are "the same" when they vary over images by less than this part of what they did.
CONSTANT = 1e-3
# A margin of one class over all others, in standard deviations of the usual answers.
STRONG = 4.0
# Usual answers are "diverse" when no class has more of them.
LARGEST_SHARE = 0.6
NEARLY_ALL = 0.9


@dataclass(frozen=True)
class Effect:
    """A gate set to ``value`` everywhere makes nearly every answer ``target``."""

    value: Tensor
    target: int


@dataclass(frozen=True)
class Usual:
    """A program's answers (N, K) to synthetic images as they are."""

    images: Tensor
    logits: Tensor

    @property
    def classes(self) -> Tensor:
        """The classes (N,) that it gives."""
        return self.logits.argmax(1)

    @property
    def largest_share(self) -> float:
        """The part of the images that its most frequent class has."""
        return float(self.classes.bincount().max()) / len(self.classes)


def forced_answers(program: Program, usual: Usual, forced: Mapping[str, object]) -> Tensor | None:
    """The answers with some values set by hand, None where they cannot be computed."""
    logits = program.logits(usual.images, forced=forced)
    if logits.shape != usual.logits.shape or not bool(torch.isfinite(logits).all()):
        return None
    return logits


def collapses(logits: Tensor, usual: Usual) -> int | None:
    """The one class that nearly all answers are now, and were not; None where there is none.

    They must be the same for all images, or lead by much more than answers usually differ, or be
    one class where they usually are several.
    """
    classes = logits.argmax(1)
    target = int(classes.mode().values)
    there = float((classes == target).float().mean())
    usually = float((usual.classes == target).float().mean())
    if there < NEARLY_ALL:
        return None
    spread = float(usual.logits.std(0).mean())
    constant = float(logits.std(0).max()) <= CONSTANT * max(spread, 1e-12)
    top = logits.topk(2, dim=1).values
    deviation = float((usual.logits - usual.logits.mean(1, keepdim=True)).std())
    strong = float((top[:, 0] - top[:, 1]).median()) > STRONG * max(deviation, 1e-12)
    moved = usual.largest_share <= LARGEST_SHARE
    return target if constant or (strong and usually < NEARLY_ALL) or moved else None


def changes(logits: Tensor, usual: Usual) -> float:
    """The part of the images that get another class."""
    return float((logits.argmax(1) != usual.classes).float().mean())
