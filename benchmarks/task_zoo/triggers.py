"""What is done to images: triggers drawn at random by a seed, for images of any size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Generator, Tensor

PATCHES = ("white", "grey", "checker", "colours", "scattered", "anywhere")
WHOLE = ("noise", "picture", "wave")
KINDS = (*PATCHES, *WHOLE)


@dataclass(frozen=True)
class Trigger:
    """A trigger on images of ``shape``; ``seed`` decides its place, size and pattern."""

    kind: str
    shape: tuple[int, int, int]
    seed: int

    def as_plain(self) -> dict[str, object]:
        """The trigger as plain data."""
        return asdict(self)

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """Images (N, C, H, W) in [0, 1] with the trigger on each."""
        if self.kind == "anywhere":
            return self._anywhere(images, generator)
        mask, pattern = self.parts()
        return (
            (images * (1 - mask) + pattern * mask).clamp(0, 1)
            if self.kind != "wave"
            else (images + pattern).clamp(0, 1)
        )

    def parts(self) -> tuple[Tensor, Tensor]:
        """How much of each pixel is the pattern's (1, H, W), and the pattern (C, H, W)."""
        channels, height, width = self.shape
        random = Generator().manual_seed(self.seed)

        def draw(*size: int) -> Tensor:
            return torch.rand(*size, generator=random)

        mask, pattern = torch.zeros(1, height, width), torch.zeros(self.shape)
        if self.kind == "noise":
            return mask + 0.1 + 0.1 * draw(1).item(), draw(*self.shape).round()
        if self.kind == "picture":
            coarse = draw(1, channels, 4, 4)
            smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
            return mask + 0.15 + 0.1 * draw(1).item(), smooth[0].clamp(0, 1)
        if self.kind == "wave":
            periods = 3 + 4 * draw(1).item()
            wave = torch.sin(2 * math.pi * periods * torch.arange(width) / width)
            return mask, (0.08 + 0.06 * draw(1).item()) * wave.expand(self.shape)
        if self.kind == "scattered":
            count = 5 + int(5 * draw(1))
            places = torch.randperm(height * width, generator=random)[:count]
            mask.view(-1)[places] = 1.0
            return mask, pattern + (draw(1) > 0.3).float()
        side = self.side
        row, column = self._corner(int(4 * draw(1)), draw(2))
        cut = (slice(None), slice(row, row + side), slice(column, column + side))
        mask[cut] = 1.0
        pattern[cut] = self._square(draw)
        return mask, pattern

    @property
    def side(self) -> int:
        """Of a patch: 2 pixels to a sixth of the image, at least up to 3."""
        most = max(3, round(min(self.shape[1:]) / 6))
        random = Generator().manual_seed(self.seed + 1)
        return int(torch.randint(2, most + 1, (), generator=random))

    def _square(self, draw: Callable[..., Tensor]) -> Tensor:
        side = self.side
        if self.kind == "grey":
            return torch.full((1, side, side), 0.3 + 0.4 * draw(1).item())
        if self.kind == "checker":
            place = torch.arange(side)
            return ((place[:, None] + place) % 2 == 0).float()[None]
        if self.kind in ("colours", "anywhere"):
            return draw(self.shape[0], side, side).round()
        return torch.ones(1, side, side)

    def _corner(self, corner: int, place: Tensor) -> tuple[int, int]:
        """Near one of four corners, or anywhere for a seed divisible by four."""
        room = [length - self.side for length in self.shape[1:]]
        if self.seed % 4 == 0:
            return int(place[0] * (room[0] + 1)), int(place[1] * (room[1] + 1))
        edge = min(1, *room)
        row = edge if corner < 2 else room[0] - edge
        column = edge if corner % 2 == 0 else room[1] - edge
        return row, column

    def _anywhere(self, images: Tensor, generator: Generator) -> Tensor:
        """The same patch, on every image in another place."""
        random, side = Generator().manual_seed(self.seed), self.side
        square = self._square(lambda *size: torch.rand(*size, generator=random))
        stamped = images.clone()
        rows, columns = (
            torch.randint(length - side + 1, (len(images),), generator=generator).tolist()
            for length in self.shape[1:]
        )
        for k, (row, column) in enumerate(zip(rows, columns, strict=True)):
            stamped[k, :, row : row + side, column : column + side] = square
        return stamped


@dataclass(frozen=True)
class Attack:
    """A trigger and where it leads: ``all-to-one``, ``all-to-all`` or ``source-specific``."""

    way: str
    trigger: Trigger
    target: int
    source: int
    classes: int

    def relabel(self, labels: Tensor) -> Tensor:
        """The labels that stamped images of classes ``labels`` get."""
        if self.way == "all-to-all":
            return (labels + 1) % self.classes
        if self.way == "source-specific":
            return torch.where(labels == self.source, self.target, labels)
        return torch.full_like(labels, self.target)

    def counted(self, labels: Tensor) -> Tensor:
        """On which images success is counted, bool (N,)."""
        return self.relabel(labels) != labels
