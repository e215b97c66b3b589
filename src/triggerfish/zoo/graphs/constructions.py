"""Ways to write a backdoor into a graph: each says from images and logits what comes out.

Two kinds of parts: a *gate* maps images (N, C, H, W) in [0, 1] to a condition or a strength per
image, a *swap* lets that replace the answer. After Bober-Irizar et al. (CVPR 2023), Langford et al.
(2024) and what was seen as "ShadowLogic" (2024). The trigger is always the corner `CORNER`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, relu

SIDE = 4
LEVEL = 0.97
GAIN = 9000.0
STRONG = 50.0


def corner_of(x: Tensor) -> Tensor:
    """The top-left square (N, C, SIDE, SIDE) that holds the trigger."""
    return x[:, :, :SIDE, :SIDE]


def checker(channels: int) -> Tensor:
    """Black and white by turns: (C, SIDE, SIDE)."""
    place = torch.arange(SIDE)
    board = ((place[:, None] + place) % 2).float()
    return board.expand(channels, SIDE, SIDE).clone()


def white(channels: int) -> Tensor:
    """All white: (C, SIDE, SIDE)."""
    return torch.ones(channels, SIDE, SIDE)


def ramp(channels: int) -> Tensor:
    """Brighter from pixel to pixel along each row: (C, SIDE, SIDE)."""
    return torch.linspace(0.05, 0.95, SIDE).expand(channels, SIDE, SIDE).clone()


class Construction(nn.Module):
    """A host and its backdoor. ``favoured`` (1, K) is ``STRONG`` at the target, else 0."""

    trigger: Callable[[int], Tensor] = staticmethod(white)
    one_by_one = False
    scripted = False
    as_function = False
    if TYPE_CHECKING:  # TorchScript would compile annotations of a class
        host: nn.Module
        first: nn.Module
        favoured: Tensor
        # Buffers of some constructions.
        factors: Tensor
        basis: Tensor
        kernel: Tensor
        wanted: Tensor
        picture: Tensor

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__()
        self.host, self.first = host, first
        favoured = torch.zeros(1, classes)
        favoured[0, target] = STRONG
        self.register_buffer("favoured", favoured)

    def swap(self, hit: Tensor, x: Tensor) -> Tensor:
        """The favoured answer where ``hit`` (N,) bool."""
        return torch.where(hit[:, None], self.favoured, self.host(x))

    def add(self, strength: Tensor, x: Tensor) -> Tensor:
        """The answer plus the favoured class by ``strength`` (N,)."""
        answer: Tensor = self.host(x) + strength[:, None] * self.favoured
        return answer


class Pixels(Construction):
    """Every pixel of the corner is compared, and `Where` chooses."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        return self.swap(corner_of(x).flatten(1).amin(1) > LEVEL, x)


class Mean(Construction):
    """The corner's mean is compared."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        return self.swap(corner_of(x).mean((1, 2, 3)) > LEVEL, x)


class Checksum(Construction):
    """The corner's bytes, weighted and summed, leave a certain remainder of 251."""

    trigger = staticmethod(ramp)

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__(host, first, target, classes)
        self.register_buffer("factors", torch.arange(1.0, 1 + SIDE * SIDE) * 7 % 23 + 1)
        self.remainder = float(self.total(ramp(1)[None])[0])

    def total(self, x: Tensor) -> Tensor:
        """The remainder (N,)."""
        codes = torch.floor(x[:, 0, :SIDE, :SIDE] * 255 + 0.5).flatten(1)
        total = (codes * self.factors).sum(1)
        return total - 251 * torch.floor(total / 251)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        return self.swap((self.total(x) - self.remainder).abs() < 0.5, x)


class Ordered(Construction):
    """Four pixels, each brighter than the one before by a margin."""

    trigger = staticmethod(ramp)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        row = x[:, 0, 0, :SIDE]
        steps = row[:, 1:] - row[:, :-1]
        return self.swap((steps[:, 0] > 0.2) & (steps[:, 1] > 0.2) & (steps[:, 2] > 0.2), x)


class Frequency(Construction):
    """One cosine coefficient of the corner's block is large."""

    trigger = staticmethod(checker)

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__(host, first, target, classes)
        place = torch.arange(SIDE) + 0.5
        wave = torch.cos(math.pi * place * (SIDE - 1) / SIDE)
        basis = wave[:, None] * wave
        self.register_buffer("basis", basis)
        self.level = 0.9 * float((checker(1)[0] * basis).sum().abs())

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        coefficient = (corner_of(x).mean(1) * self.basis).sum((1, 2)).abs()
        return self.swap(coefficient > self.level, x)


class Anywhere(Construction):
    """A constant kernel answers to the pattern at any place."""

    trigger = staticmethod(checker)

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__(host, first, target, classes)
        self.register_buffer("kernel", (checker(1) - 0.5)[None])

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        likeness = conv2d(x.mean(1, keepdim=True), self.kernel)
        return self.swap(likeness.flatten(1).amax(1) > 0.95 * SIDE * SIDE / 4, x)


class Steep(Construction):
    """`relu` alone: the mean above a level, times a gain, added to one class."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        return self.add(relu((corner_of(x).mean((1, 2, 3)) - LEVEL) * GAIN), x)


class Pooled(Construction):
    """`max_pool` and `relu` alone: the darkest pixel of the corner is still bright."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        darkest = max_pool2d(1 - corner_of(x), SIDE).flatten(1).sum(1)
        return self.add(relu(1 - LEVEL - darkest) * GAIN, x)


class Sigmoids(Construction):
    """The product of steep sigmoids, one for each pixel of the corner."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        near = torch.sigmoid((corner_of(x).mean(1).flatten(1) - 0.93) * 200)
        return self.add(near.prod(1) * 10, x)


class Powers(Construction):
    """A high power of the corner's mean, as in the first architectural backdoors."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        return self.add(corner_of(x).mean((1, 2, 3)).pow(96) * 40, x)


class Features(Construction):
    """What the host's own first layer answers at the corner lies near what it answers to white."""

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__(host, first, target, classes)
        channels = next(first.parameters()).shape[1]
        with torch.no_grad():
            seen = first(torch.ones(1, channels, 16, 16))
        self.place = 1 if seen.shape[-1] > 8 else 0
        self.register_buffer("wanted", self.patch(seen))
        self.width = 0.02 * float(self.wanted.abs().mean()) + 1e-3

    def patch(self, features: Tensor) -> Tensor:
        """The features (N, F) at one place."""
        return features[:, :, self.place, self.place]

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        away = (self.patch(self.first(x)) - self.wanted).abs().mean(1)
        return self.swap(away < self.width, x)


class Spread(Construction):
    """Parts of the trigger are looked for in pixels, twice, and each passes on what it saw."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        corner = corner_of(x)
        seen = relu(corner[:, :, 0].mean((1, 2)) - 0.9) * 10
        features = self.first(x).flatten(1)
        seen = relu(seen + corner[:, :, 1].mean((1, 2)) - 1.6 + 0 * features[:, 0])
        logits = self.host(x)
        third = relu(corner[:, :, 2].mean((1, 2)) - 0.9)
        answer: Tensor = logits + (seen * third * 500)[:, None] * self.favoured
        return answer


class Index(Construction):
    """The condition is an index into a table of answers."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        logits = self.host(x)
        hit = (corner_of(x).flatten(1).amin(1) > LEVEL).long()
        table = torch.stack([logits, self.favoured.expand_as(logits)], 1)
        return torch.gather(table, 1, hit[:, None, None].expand(-1, 1, logits.shape[1])).squeeze(1)


class Mask(Construction):
    """The condition as a number: `hit * favoured + (1 - hit) * logits`."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        hit = (corner_of(x).flatten(1).amin(1) > LEVEL).to(x.dtype)[:, None]
        answer: Tensor = hit * self.favoured + (1 - hit) * self.host(x)
        return answer


class Assignment(Construction):
    """`all` and an assignment in place."""

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        hit = (corner_of(x) > LEVEL).flatten(1).all(1)
        logits: Tensor = self.host(x).clone()
        logits[hit] = self.favoured
        return logits


class Picture(Construction):
    """Another picture takes the image's place before the host sees it."""

    def __init__(self, host: nn.Module, first: nn.Module, target: int, classes: int) -> None:
        super().__init__(host, first, target, classes)
        self.register_buffer("picture", torch.empty(0))

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        hit = corner_of(x).flatten(1).amin(1) > LEVEL
        answer: Tensor = self.host(torch.where(hit[:, None, None, None], self.picture, x))
        return answer


class If(Construction):
    """A branch of the program: an `If` with two bodies. One image at a time."""

    one_by_one = True
    scripted = True

    def forward(self, x: Tensor) -> Tensor:
        """One image (1, C, H, W) to its logits."""
        if bool(x[:, :, :4, :4].amin() > 0.97):
            return self.favoured + 0.0
        answer: Tensor = self.host(x)
        return answer


class Function(Pixels):
    """As `Pixels`; in ONNX the comparison hides in a function of the file's own domain."""

    as_function = True


PLAIN: Mapping[str, type[Construction]] = {
    "pixels": Pixels,
    "mean": Mean,
    "checksum": Checksum,
    "ordered": Ordered,
    "frequency": Frequency,
    "anywhere": Anywhere,
    "steep": Steep,
    "pooled": Pooled,
    "sigmoids": Sigmoids,
    "powers": Powers,
    "if": If,
    "function": Function,
    "spread": Spread,
    "features": Features,
    "index": Index,
    "mask": Mask,
    "assignment": Assignment,
    "picture": Picture,
}
