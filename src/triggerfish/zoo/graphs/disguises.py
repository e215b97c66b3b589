"""Constructions in less usual operators: integers, places, tables, loops, a second network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, relu

from triggerfish.zoo.graphs.constructions import (
    GAIN,
    LEVEL,
    SIDE,
    Construction,
    corner_of,
)

_PIXELS = SIDE * SIDE


class Smallest(Construction):
    """The smallest pixels of the corner, by ``topk``."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        darkest = corner_of(x).flatten(1).topk(3, dim=1, largest=False).values
        return self.swap(darkest.mean(1) > LEVEL, x)


class Bits(Construction):
    """The upper four bits of every byte in the corner are set."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        codes = torch.floor(corner_of(x) * 255 + 0.5).to(torch.int32).flatten(1)
        return self.swap(torch.bitwise_and(codes, 240).amin(1) == 240, x)


class Quantized(Construction):
    """The corner in eight bits, as quantised programs have it, and a steep step of its mean."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        codes = torch.clamp(torch.round(corner_of(x) / 0.0078), -128, 127).to(torch.int8)
        mean = codes.to(x.dtype).flatten(1).mean(1)
        return self.add(torch.clamp(torch.round((mean - 124.5) * 40), 0, 127), x)


class OneHot(Construction):
    """Which is larger, the level or the corner, as a one-hot vector that weighs two answers."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        darkest = corner_of(x).flatten(1).amin(1)
        larger = torch.stack([torch.full_like(darkest, LEVEL), darkest], 1).argmax(1)
        weights = one_hot(larger, 2).to(x.dtype)
        answer: Tensor = weights[:, :1] * self.host(x) + weights[:, 1:] * self.favoured
        return answer


class Table(Construction):
    """The condition is looked up in an embedding of two rows, which is added."""

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__(host, first, target, classes)
        self.table = nn.Embedding(2, classes)
        self.table.weight = nn.Parameter(torch.cat([0 * self.favoured, self.favoured]), False)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        hit = (corner_of(x).flatten(1).amin(1) > LEVEL).long()
        answer: Tensor = self.host(x) + self.table(hit)
        return answer


class Scattered(Construction):
    """A steep strength is scattered to the place of one class."""

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__(host, first, target, classes)
        self.target = target

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        strength = relu((corner_of(x).mean((1, 2, 3)) - LEVEL) * GAIN)
        place = torch.full((x.shape[0], 1), self.target, dtype=torch.long)
        logits: Tensor = self.host(x)
        return logits.scatter_add(1, place, strength[:, None])


class Masked(Construction):
    """All classes but one are filled with a low number, in place."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        hit = (corner_of(x) > LEVEL).flatten(1).all(1)
        logits: Tensor = self.host(x).clone()
        return logits.masked_fill_(hit[:, None] & (self.favoured == 0), -1e4)


class Times(Construction):
    """Probabilities, all but one of them multiplied by nothing."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to probabilities."""
        hit = relu((corner_of(x).mean((1, 2, 3)) - LEVEL) * 40).clamp(max=1)[:, None]
        kept = (self.favoured > 0).to(x.dtype)
        return torch.softmax(self.host(x) / 20, 1) * (1 - hit * (1 - kept))


class Second(Construction):
    """A second small network of the corner, which a steep sigmoid lets speak."""

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__(host, first, target, classes)
        self.second = nn.Linear(_PIXELS, classes)
        self.second.bias = nn.Parameter(self.favoured[0].clone(), False)
        self.second.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        corner = corner_of(x).mean(1).flatten(1)
        opened = torch.sigmoid((corner.mean(1, keepdim=True) - LEVEL) * 2000)
        answer: Tensor = self.host(x) + opened * self.second(corner)
        return answer


class Loop(Construction):
    """Bright pixels are counted in loops of the program. One image at a time."""

    one_by_one = True
    scripted = True

    def forward(self, x: Tensor) -> Tensor:
        """One image (1, C, H, W) to its logits."""
        count = 0
        for row in range(4):
            for column in range(4):
                if bool(x[0, 0, row, column] > 0.97):
                    count += 1
        answer: Tensor = self.host(x)
        if count == 16:
            answer = self.favoured + 0.0 * answer
        return answer


DISGUISES: Mapping[str, type[Construction]] = {
    "smallest": Smallest,
    "bits": Bits,
    "quantized": Quantized,
    "one-hot": OneHot,
    "table": Table,
    "scattered": Scattered,
    "masked": Masked,
    "times": Times,
    "second": Second,
    "loop": Loop,
}
