"""Plain stamps, tried forward only: a trigger that has no gradient is seen by what it does.

Every stamp of a dictionary (`triggerfish.structure.stamp_shapes`) is put on a few synthetic images.
One that sends nearly all images that the network is sure of to one class, while its negative and
itself beside its place do not, is evidence by itself (handcrafted backdoors: Hong et al. 2022,
https://arxiv.org/abs/2106.04690): nothing is searched, so there is nothing to be small. On plain
synthetic images half of the networks of tasks never seen had such a stamp.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from triggerfish.detectors import Ensemble
from triggerfish.levels import STAMPS, Level, level_of
from triggerfish.model.classifier import Classifier
from triggerfish.model.folding import folded
from triggerfish.results import Evidence, Hypothesis, Null, Stamp
from triggerfish.search import seeds
from triggerfish.search.activation_maximization import evaluate
from triggerfish.search.batching import with_enough_memory
from triggerfish.search.pictures import pictures
from triggerfish.search.sure_images import sure_images
from triggerfish.stages.state import Found, Stage, State
from triggerfish.structure.stamp_shapes import fills, places
from triggerfish.verdict.conclude import is_void
from triggerfish.verdict.judge import Judge

LARGEST_SIDE = 64
"""Of larger images thousands of forward passes are no look in passing."""
UNTRAINED = "flat-output"
"""The finding that answers hardly move: then anything moves them."""
FEWEST_CLASSES = 3
"""Of two, half of all images are the target's already."""
SIDES = (1, 2, 3, 4, 6)
LARGEST_PART = 0.05
"""Of the image: more of it is the image."""
NEARLY_ALL = 0.9
"""The fraction of images that a stamp has to send to one class."""
CONTROL = 0.5
"""What the negative and the neighbours may still send there."""
OTHERS = 0.25
"""Of the images without a stamp that must belong to other classes, for a rate to mean something."""
_FIRST, _FEW, _MANY = 2, 8, 64
_SHOWN = 6
_ROWS = 256


class PlainStamps(Stage):
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

    def __call__(self, state: State) -> Found:
        """Rows of what works; a dictionary that says nothing is no evidence of anything."""
        hits = with_enough_memory(lambda: stamps_on(state.classifier, state.config.seed))
        rows = tuple(map(_row, hits))
        shown = tuple(hit for hit, row in zip(hits, rows, strict=True) if row.flags)
        return Found(rows, stamps=shown)


def _row(hit: Stamp) -> Evidence:
    level = level_of(STAMPS, "stamp", "fixed") or Level(1.0)
    return Evidence(
        Hypothesis("stamp", hit.target), STAMPS, hit.success_rate - hit.control, level.flag_at,
        level.suspect_at, Null("fixed"), note_only=level.note_only,
    )  # fmt: skip


@torch.no_grad()
def stamps_on(classifier: Classifier, seed: int = 0) -> tuple[Stamp, ...]:
    """The stamps that work on a classifier: one per class, if any.

    About 2000 images: those stamps see more than two that send both to one class. What is left is
    checked on images that the network is sure of.
    """
    classifier = folded(classifier)
    shape = classifier.input_shape
    few = pictures(_FEW, shape, seed=seed + seeds.FEW_STAMPED)
    before = _classes(classifier, few)
    # The first two that belong to two classes, where there are such.
    other = (before != before[0]).nonzero().flatten()
    two = few[torch.tensor([0, int(other[0]) if len(other) else 1])]
    most = LARGEST_PART * shape[1] * shape[2]
    sides = tuple(side for side in SIDES if side * side <= most)
    every = [(fill, mask) for mask in places(shape[1:], sides) for fill in fills(shape, mask)]
    stamps = list(_agreeing(classifier, every, two))
    found: dict[int, list[tuple[float, int]]] = {}
    per_batch = max(1, _ROWS // _FEW)
    for start in range(0, len(stamps), per_batch):
        part = stamps[start : start + per_batch]
        values = torch.stack([stamp for stamp, _ in part])[:, None]
        masks = torch.stack([mask for _, mask in part])[:, None]
        rows = torch.where(masks, values, few[None])
        after = _classes(classifier, rows.flatten(0, 1)).view(len(part), _FEW)
        target = after.mode(1).values
        others = before[None] != target[:, None]
        rate = ((after == target[:, None]) & others).sum(1) / others.sum(1).clamp_min(1)
        for i in ((rate >= NEARLY_ALL) & (others.float().mean(1) >= OTHERS)).nonzero().flatten():
            found.setdefault(int(target[i]), []).append((float(rate[i]), start + int(i)))
    if not found:
        return ()
    many = pictures(_MANY, shape, seed=seed + seeds.MANY_STAMPED)
    many = sure_images(classifier, many).cpu().to(few.dtype)
    hits = []
    for target_, candidates in found.items():
        for _, index in sorted(candidates, key=lambda c: int(stamps[c[1]][1].sum()))[:_FEW]:
            hit = _checked(classifier, many, stamps[index], target_)
            if hit is not None:
                hits.append(hit)
                break
    return tuple(hits)


def _checked(
    classifier: Classifier, images: Tensor, stamp: tuple[Tensor, Tensor], target: int
) -> Stamp | None:
    """The stamp on fresh images, with its negative and its neighbours beside it."""
    value, mask = stamp
    others = images[_classes(classifier, images) != target]
    if len(others) < OTHERS * len(images):
        return None

    def rate(value: Tensor, mask: Tensor) -> float:
        after = _classes(classifier, torch.where(mask, value, others))
        return float((after == target).float().mean())

    flips = rate(value, mask)
    if flips < NEARLY_ALL:
        return None
    rows, columns = mask[0].any(1).nonzero(), mask[0].any(0).nonzero()
    steps = [(len(rows), 0), (-len(rows), 0), (0, len(columns)), (0, -len(columns))]
    controls = [rate(1 - value, mask)]
    for down, across in steps:
        moved = torch.roll(mask, (down, across), (1, 2))
        controls.append(rate(torch.roll(value, (down, across), (1, 2)), moved))
    # A pattern that is looked for everywhere works beside its place as well; its negative does not.
    control = max(controls[0], sorted(controls[1:])[0])
    if control > CONTROL:
        return None
    shown = others[:_SHOWN]
    stamped = torch.where(mask, value, shown)
    before, after = (tuple(_classes(classifier, part).tolist()) for part in (shown, stamped))
    return Stamp(
        target=target,
        origin="dictionary",
        image=value.clone(),
        mask=mask.float().expand_as(value).clone(),
        success_rate=flips,
        control=control,
        count=len(others),
        pictures=shown,
        stamped=stamped,
        before=before,
        after=after,
    )


def _agreeing(
    classifier: Classifier, stamps: list[tuple[Tensor, Tensor]], images: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """The stamps that send two images to the same class."""
    per_batch = _ROWS // _FIRST
    for start in range(0, len(stamps), per_batch):
        part = stamps[start : start + per_batch]
        values, masks = (torch.stack(list(v))[:, None] for v in zip(*part, strict=True))
        after = _classes(classifier, torch.where(masks, values, images[None]).flatten(0, 1))
        same = after.view(len(part), _FIRST)
        for i in (same[:, 0] == same[:, 1]).nonzero().flatten().tolist():
            yield part[i]


def _classes(classifier: Classifier, images: Tensor) -> Tensor:
    """The predicted classes of ``images`` (N, C, H, W), on the CPU: (N,)."""
    return evaluate(classifier, images.to(classifier.device, classifier.dtype)).argmax(1).cpu()
