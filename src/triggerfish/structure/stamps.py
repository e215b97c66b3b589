"""Triggers that have no gradient, in logic or in weights: a dictionary of stamps, forward only.

Every stamp (`stamp_shapes`) is put on a few synthetic images. One that sends nearly all of them to
one class, on fresh images too, while its negative and the same stamp beside its place do not, is
evidence of a trigger (handcrafted backdoors: Hong et al. 2022, https://arxiv.org/abs/2106.04690).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from triggerfish.results import Stamp
from triggerfish.search.pictures import pictures
from triggerfish.structure.stamp_shapes import fills, places

SIDES = (1, 2, 3, 4, 6)
_FIRST, _FEW, _MANY = 2, 8, 64
_SHOWN = 6
_ROWS = 256
LARGEST_PART = 0.05
"""Of the image: more of it is the image."""
NEARLY_ALL = 0.9
# What the negative and the neighbours may still flip.
CONTROL = 0.5
# Of the images without a stamp that must belong to other classes, for a rate to mean something.
_OTHERS = 0.25


@torch.no_grad()
def stamp_hits(
    logits: Callable[[Tensor], Tensor],
    shape: tuple[int, int, int],
    seed: int = 0,
    lead: Callable[[Tensor], Tensor] = lambda images: images,
) -> tuple[Stamp, ...]:
    """The stamps that work on a network, ``logits`` of images (N, C, H, W): one per class, if any.

    About 2000 images: those stamps see more than two that send both to one class. ``lead`` makes
    harder images of those (64, C, H, W) that a stamp is checked on.
    """
    few = pictures(_FEW, shape, seed=seed + 21)
    before = _classes(logits, few)
    most = LARGEST_PART * shape[1] * shape[2]
    sides = tuple(side for side in SIDES if side * side <= most)
    every = [(fill, mask) for mask in places(shape[1:], sides) for fill in fills(shape, mask)]
    stamps = list(_agreeing(logits, every, few[_two(before)]))
    found: dict[int, list[tuple[float, int]]] = {}
    per_batch = max(1, _ROWS // _FEW)
    for start in range(0, len(stamps), per_batch):
        part = stamps[start : start + per_batch]
        values = torch.stack([stamp for stamp, _ in part])[:, None]
        masks = torch.stack([mask for _, mask in part])[:, None]
        rows = torch.where(masks, values, few[None])
        after = _classes(logits, rows.flatten(0, 1)).view(len(part), _FEW)
        target = after.mode(1).values
        others = before[None] != target[:, None]
        rate = ((after == target[:, None]) & others).sum(1) / others.sum(1).clamp_min(1)
        for i in ((rate >= NEARLY_ALL) & (others.float().mean(1) >= _OTHERS)).nonzero().flatten():
            found.setdefault(int(target[i]), []).append((float(rate[i]), start + int(i)))
    many = lead(pictures(_MANY, shape, seed=seed + 22)) if found else few
    hits = []
    for target_, candidates in found.items():
        for _, index in sorted(candidates, key=lambda c: int(stamps[c[1]][1].sum()))[:_FEW]:
            hit = _checked(logits, many, stamps[index], target_)
            if hit is not None:
                hits.append(hit)
                break
    return tuple(hits)


def _checked(
    logits: Callable[[Tensor], Tensor], images: Tensor, stamp: tuple[Tensor, Tensor], target: int
) -> Stamp | None:
    """The stamp on fresh images, with its negative and its neighbours beside it."""
    value, mask = stamp
    others = images[_classes(logits, images) != target]
    if len(others) < _OTHERS * len(images):
        return None

    def rate(value: Tensor, mask: Tensor) -> float:
        after = _classes(logits, torch.where(mask, value, others))
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
    before, after = (tuple(_classes(logits, part).tolist()) for part in (shown, stamped))
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


def _two(classes: Tensor) -> Tensor:
    """The first two images that belong to two classes, where there are such."""
    different = (classes != classes[0]).nonzero().flatten()
    return torch.tensor([0, int(different[0]) if len(different) else 1])


def _agreeing(
    logits: Callable[[Tensor], Tensor], stamps: list[tuple[Tensor, Tensor]], images: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """The stamps that send two images to the same class."""
    per_batch = _ROWS // _FIRST
    for start in range(0, len(stamps), per_batch):
        part = stamps[start : start + per_batch]
        values, masks = (torch.stack(list(v))[:, None] for v in zip(*part, strict=True))
        after = _classes(logits, torch.where(masks, values, images[None]).flatten(0, 1))
        same = after.view(len(part), _FIRST)
        for i in (same[:, 0] == same[:, 1]).nonzero().flatten().tolist():
            yield part[i]


def _classes(logits: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([logits(part).argmax(1) for part in torch.split(images, _ROWS)])
