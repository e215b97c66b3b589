"""From a gate to a trigger: the condition is inverted to values of pixels.

The pixels that a gate looks at are found by a gradient through its relaxed conditions
(`triggerfish.structure.relaxed`). Then, the cheapest first: plain and random stamps on these
pixels, a stamp found by gradient steps, and one additive change found on every image by itself.
Whether a stamp opens the gate is always asked of the exact program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from triggerfish.structure.evaluate import Program, Run
from triggerfish.structure.relaxed import relaxed_runs
from triggerfish.structure.stamp_shapes import fills, places

_RANDOM = 2048
_ROWS = 256  # images in a batch that only the gate looks at
_STEPS = 120
_FEW = 8
# A stamp on more of the image is no stamp.
LARGEST_AREA = 0.3


@dataclass(frozen=True)
class Goal:
    """A value of the graph, and whether it is where it should be for each image: (N, ...) -> (N,).

    ``sign`` says whether the value, or the margin of the condition, has to grow or to fall.
    """

    value: str
    reached: Callable[[Tensor], Tensor]
    sign: float


@dataclass(frozen=True)
class Trigger:
    """``stamp`` (C, H, W) where ``mask`` (1, H, W); ``fitted`` (N, C, H, W) for each image."""

    stamp: Tensor
    mask: Tensor
    fitted: Callable[[Tensor], Tensor] | None = None

    def on(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) with the trigger."""
        if self.fitted is not None:
            return self.fitted(images)
        return torch.where(self.mask, self.stamp, images)


class Search:
    """Looks for triggers that bring a program's value to a goal, on images (N, C, H, W)."""

    def __init__(self, program: Program, goal: Goal, images: Tensor) -> None:
        self.program, self.goal, self.images = program, goal, images[:_FEW]
        self._runs: Run = relaxed_runs(program.graph)

    def triggers(self) -> Iterator[Trigger]:
        """Triggers that open the gate on the images at hand, the plainest first."""
        support = self.support()
        area = float(support.float().mean())
        if 0 < area <= LARGEST_AREA:
            yield from self._plain([support])
            yield from self._random(support)
            yield from self._descended(support)
        else:
            yield from self._plain(list(places(self.images.shape[-2:])))
            for side in (4, 8, 12):
                corner = torch.zeros_like(support)
                corner[:, :side, :side] = True
                yield from self._descended(corner)
        yield from self._fitted()

    def opens(self, images: Tensor) -> Tensor:
        """For which images (N,) the goal is reached."""
        found = []
        for part in torch.split(images, _ROWS):
            value = self.program.values(part, (self.goal.value,))[self.goal.value]
            if not isinstance(value, Tensor):
                return torch.zeros(len(images), dtype=torch.bool)
            found.append(self.goal.reached(value).expand(len(part)))
        return torch.cat(found)

    def gradient(self, images: Tensor) -> Tensor:
        """The direction (N, C, H, W) in which the goal comes nearer."""
        images = images.detach().requires_grad_(True)
        with torch.enable_grad():
            value = self.program.values(images, (self.goal.value,), runs=self._runs)
            result = value[self.goal.value]
            if not isinstance(result, Tensor) or not result.requires_grad:
                return torch.zeros_like(images)
            (grad,) = torch.autograd.grad(
                self.goal.sign * result.float().sum(), images, allow_unused=True
            )
        return torch.zeros_like(images) if grad is None else grad.nan_to_num(0.0, 0.0, 0.0)

    def support(self) -> Tensor:
        """The pixels (1, H, W) that the gate looks at, on any of the images."""
        noise = torch.rand(self.images.shape, generator=torch.Generator().manual_seed(3))
        seen = sum(
            self.gradient(images).abs().sum((0, 1))
            for images in (self.images, noise, 0.02 + 0.96 * noise.round())
        )
        assert isinstance(seen, Tensor)
        return (seen > 0)[None]

    def stamped_values(self) -> Tensor:
        """The value (S, ...) for one image with each of the plain stamps; empty where unknown."""
        size = self.images.shape[-2:]
        shape = tuple(self.images.shape[1:])
        found = []
        for mask in places(size):
            stamps = torch.stack(list(fills(shape, mask)))
            given = torch.where(mask, stamps, self.images[:1])
            value = self.program.values(given, (self.goal.value,))[self.goal.value]
            if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != len(stamps):
                return torch.empty(0)
            found.append(value.float())
        return torch.cat(found) if found else torch.empty(0)

    def _plain(self, masks: list[Tensor]) -> Iterator[Trigger]:
        stamps = [
            (stamp, mask) for mask in masks for stamp in fills(tuple(self.images.shape[1:]), mask)
        ]
        yield from self._tried(stamps)

    def _random(self, mask: Tensor) -> Iterator[Trigger]:
        generator = torch.Generator().manual_seed(7)
        shape = tuple(self.images.shape[1:])
        stamps = [(torch.rand(shape, generator=generator), mask) for _ in range(_RANDOM)]
        # Grey ones as well: a program that mixes channels sees less of independent ones.
        stamps[::2] = [(s.mean(0, keepdim=True).expand(shape), m) for s, m in stamps[::2]]
        yield from self._tried(stamps)

    def _tried(self, stamps: list[tuple[Tensor, Tensor]]) -> Iterator[Trigger]:
        """Those stamps that open the gate on the first image, then on all."""
        for start in range(0, len(stamps), _ROWS):
            part = stamps[start : start + _ROWS]
            values = torch.stack([stamp for stamp, _ in part])
            masks = torch.stack([mask for _, mask in part])
            opened = self.opens(torch.where(masks, values, self.images[:1])).nonzero().flatten()
            for i in opened.tolist()[:_FEW]:
                trigger = Trigger(*part[i])
                if self._works(trigger):
                    yield trigger
                    return

    def _works(self, trigger: Trigger) -> bool:
        return bool(self.opens(trigger.on(self.images)).float().mean() >= 0.9)

    def _descended(self, mask: Tensor) -> Iterator[Trigger]:
        """One stamp for all images, by gradient steps that grow shorter."""
        for start in (0.5, 0.9, 0.1):
            stamp = torch.full_like(self.images[0], start)
            stamp += 0.02 * torch.rand(stamp.shape, generator=torch.Generator().manual_seed(1))
            for step in range(_STEPS):
                grad = self.gradient(torch.where(mask, stamp, self.images)).sum(0) * mask
                if not bool(grad.any()):
                    break
                rate = 0.1 * 0.02 ** (step / _STEPS)
                stamp = (stamp + rate * _normed(grad)).clamp(0, 1)
                if step % 8 == 7 and self._works(Trigger(stamp, mask)):
                    yield Trigger(stamp, mask)
                    return

    def _fitted(self) -> Iterator[Trigger]:
        """Every image moved by itself until the gate opens."""

        def fit(images: Tensor) -> Tensor:
            images = images.clone()
            for step in range(_STEPS):
                closed = ~self.opens(images)
                if not bool(closed.any()):
                    break
                grad = self.gradient(images[closed])
                rate = 0.1 * 0.02 ** (step / _STEPS)
                images[closed] = (images[closed] + rate * _normed(grad)).clamp(0, 1)
            return images

        moved = fit(self.images)
        if bool(self.opens(moved).float().mean() >= 0.9):
            changed = (moved[0] - self.images[0]).abs().amax(0, keepdim=True) > 1e-3
            yield Trigger(moved[0], changed, fit)


def _normed(grad: Tensor) -> Tensor:
    """Steps of one size: the largest entry of each image is 1, small ones are lifted."""
    largest = grad.abs().amax(dim=tuple(range(grad.ndim - 3, grad.ndim)), keepdim=True)
    scaled = grad / largest.clamp_min(1e-30)
    return scaled.sign() * scaled.abs().sqrt()
