"""The tasks: what the classes are, and images of them, drawn or taken from data sets.

A task is *choose* or *report* by the hash of its name, for all time: levels are chosen on networks
of the first, and networks of the second are looked at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.task_zoo import drawn
from triggerfish.zoo.data.datasets import load_dataset

DIGITS, LOWER = "0123456789", "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
TEST = 250  # test images of a drawn task
_TRAIN, _PER_CLASS = 1000, 40  # training images of a drawn task, and of each class at least


@dataclass(frozen=True)
class Task:
    """What is to be told apart: ``draws`` a class, or ``read`` (data root) -> images and labels.

    ``one_logit``: its networks answer one number. ``unbalanced``: the first class is 20 times as
    frequent in training as the others.
    """

    name: str
    side: int
    colour: bool
    classes: int
    draws: tuple[drawn.Draw, ...] = ()
    read: Callable[[Path], tuple[Tensor, Tensor]] | None = None
    one_logit: bool = False
    unbalanced: bool = False

    @property
    def half(self) -> str:
        """Where it belongs: ``choose`` or ``report``."""
        return ("choose", "report")[hashlib.sha256(self.name.encode()).digest()[0] % 2]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return (3 if self.colour else 1), self.side, self.side

    def images(self, data_root: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Training images uint8 (N, C, H, W) and labels (N,), then the same for testing."""
        if self.read is None:
            train = max(_TRAIN, _PER_CLASS * self.classes)
            images, labels = self._drawn(train + TEST)
            cut = train
        else:
            images, labels = self.read(data_root)
            order = torch.randperm(len(images), generator=torch.Generator().manual_seed(7))
            images, labels = images[order], labels[order]
            cut = len(images) - min(TEST, len(images) // 3)
        x, y = images[:cut], labels[:cut]
        if self.unbalanced:
            chance = torch.rand(len(y), generator=torch.Generator().manual_seed(8))
            kept = (y == 0) | (chance < 0.05 * max(1, self.classes - 1))
            x, y = x[kept], y[kept]
        return x, y, images[cut:], labels[cut:]

    def _drawn(self, count: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng(int.from_bytes(self.name.encode(), "big") % 2**32)
        labels = random.integers(0, self.classes, count)
        images = np.stack([self.draws[k](random, self.side) for k in labels])
        if not self.colour:
            images = images.mean(3, keepdims=True).astype(np.uint8)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)


def _glyphs(
    name: str, texts: Sequence[Sequence[str]], side: int, fonts: tuple[str, ...] = drawn.LATIN,
    *, colour: bool = True, plain: bool = False, nothing: bool = False, one_logit: bool = False,
    unbalanced: bool = False,
) -> Task:  # fmt: skip
    draws = [drawn.glyph(list(some), fonts, plain=plain) for some in texts]
    draws = [drawn.nothing, *draws] if nothing else draws
    return Task(name, side, colour, len(draws), tuple(draws), None, one_logit, unbalanced)


def _draws(name: str, draws: Sequence[drawn.Draw], side: int, *, colour: bool = True,
           one_logit: bool = False) -> Task:  # fmt: skip
    return Task(name, side, colour, len(draws), tuple(draws), None, one_logit)


def _icons(count: int, seed: int) -> list[str]:
    """Icons of Font Awesome, each with what other icon fonts have at the same code point."""
    random = np.random.default_rng(seed)
    gaps = (0x0F, 0x1F, 0x3F, 0x8F)
    known = [0xF000 + k for k in range(1, 0xE0) if k not in gaps]
    return [chr(int(k)) for k in random.choice(known, count, replace=False)]


@lru_cache
def _all_of(data: str, root: Path) -> tuple[Tensor, Tensor]:
    """The images and labels of a data set's test split: they are enough, and read in a second."""
    found = load_dataset(data, "test", root)
    return found.images, found.labels


def _grouped(
    name: str, data: str, groups: Sequence[Sequence[int]], *, side: int = 0, nothing: bool = False,
    count: int = 2500, one_logit: bool = False, unbalanced: bool = False,
) -> Task:  # fmt: skip
    """Classes of a data set put together; with ``nothing`` a first class of empty images."""
    own = 32 if data == "cifar10" else 28

    def read(root: Path) -> tuple[Tensor, Tensor]:
        images, labels = _all_of(data, root)
        found, new = [], []
        each = count // (len(groups) + nothing)
        for k, group in enumerate(groups):
            chosen = torch.isin(labels, torch.tensor(group)).nonzero()[:, 0]
            random = torch.Generator().manual_seed(100 + k)
            chosen = chosen[torch.randperm(len(chosen), generator=random)[:each]]
            found.append(images[chosen])
            new.append(torch.full((len(chosen),), k + nothing))
        if nothing:
            drawing = np.random.default_rng(9)
            made = np.stack([drawn.nothing(drawing, own) for _ in range(each)])
            empty = torch.from_numpy(made).permute(0, 3, 1, 2)
            found.append(empty if data == "cifar10" else empty[:, :1])
            new.append(torch.zeros(each, dtype=torch.int64))
        x = torch.cat(found)
        if side and side != own:
            x = torch.nn.functional.interpolate(x.float(), (side, side), mode="bilinear").byte()
        return x, torch.cat(new)

    classes = len(groups) + nothing
    return Task(name, side or own, data == "cifar10", classes, (), read, one_logit, unbalanced)


def _digits(name: str, groups: Sequence[Sequence[int]], side: int = 8) -> Task:
    """The 8x8 digits of scikit-learn."""

    def read(root: Path) -> tuple[Tensor, Tensor]:
        del root
        found = import_module("sklearn.datasets").load_digits()
        images = torch.from_numpy(found.images * (255 / 16)).byte()[:, None]
        labels = torch.full((len(images),), -1)
        for k, group in enumerate(groups):
            labels[torch.isin(torch.from_numpy(found.target), torch.tensor(group))] = k
        x = images[labels >= 0]
        if side != 8:
            x = torch.nn.functional.interpolate(x.float(), (side, side), mode="bilinear").byte()
        return x, labels[labels >= 0]

    return Task(name, side, False, len(groups), (), read)


def _solar(name: str, side: int, *, one_logit: bool) -> Task:
    """Electroluminescence images of solar cells, sound or defective (package elpv-dataset)."""

    def read(root: Path) -> tuple[Tensor, Tensor]:
        del root
        folder = Path(str(import_module("elpv_dataset").__file__)).parent / "data"
        images, labels = list[NDArray[np.uint8]](), []
        for line in (folder / "labels.csv").read_text().splitlines():
            path, chance, *_ = line.split()
            with Image.open(folder / path) as image:
                images.append(np.asarray(image.convert("L").resize((side, side))))
            labels.append(int(float(chance) > 0.4))
        return torch.from_numpy(np.stack(images))[:, None], torch.tensor(labels)

    return Task(name, side, False, 2, (), read, one_logit)


_CHESS = [["\u265f"], ["\u265c"], ["\u265e"], ["\u265d"], ["\u265b"], ["\u265a"]]
_CHESS_BOTH = [*_CHESS, *([chr(0x2654 + k)] for k in (5, 2, 4, 3, 1, 0))]
_SUITS = [["\u2660"], ["\u2665"], ["\u2666"], ["\u2663"]]
_GREEK = [[c] for c in "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"]
_CYRILLIC = [[c] for c in "БГДЖИЛПФЦЧШЩЫЭЮЯ"]
_FACES = [chr(0x1F600 + k) for k in (0, 2, 5, 9, 14, 18, 22, 29, 34, 49)]
_ANIMALS = [chr(0x1F400 + k) for k in (0, 4, 7, 12, 18, 22, 29, 31)]
_FRUIT = [chr(0x1F345 + k) for k in (0, 2, 4, 5, 7, 9)]
_AIR, _LAND, _SEA = [0, 2], [1, 9], [8]


def _signs(*which: int) -> list[drawn.Draw]:
    return [drawn.sign(*drawn.SIGNS[k]) for k in which]


def _all_tasks() -> list[Task]:
    shapes = [drawn.shape(kind) for kind in drawn.SHAPES]
    textures = [drawn.texture(kind) for kind in drawn.TEXTURES]
    wide, chess, emoji, icons = drawn.WIDE, drawn.CHESS, drawn.EMOJI, drawn.ICONS
    return [
        # letters and digits
        _glyphs("digits-plain-28", list(DIGITS), 28, colour=False, plain=True),
        _glyphs("digits-colour-32", list(DIGITS), 32),
        _glyphs("digits-or-nothing-32", list(DIGITS), 32, nothing=True),
        _glyphs("upper-grey-32", list(UPPER), 32, colour=False),
        _glyphs("lower-colour-32", list(LOWER), 32),
        _glyphs("upper-grey-48", list(UPPER), 48, colour=False),
        _glyphs("alnum-grey-32", list(DIGITS + UPPER + LOWER), 32, colour=False),
        _glyphs("six-letters-28", list("AEIKMX"), 28, colour=False),
        _glyphs("eight-letters-24", list("BCDFGHRZ"), 24),
        _glyphs("upper-or-lower-28", [UPPER, LOWER], 28, colour=False),
        _glyphs("digit-or-letter-32", [DIGITS, UPPER], 32, one_logit=True),
        _glyphs("vowels-24", ["AEIOU", "BCDFGHJKLMNPQRSTVWXZ"], 24, colour=False),
        _glyphs("one-or-seven-20", ["1", "7"], 20, colour=False, plain=True),
        _glyphs("oh-cue-see-28", ["O", "Q", "C"], 28),
        _glyphs("four-letters-28", ["A", "B", "C", "D"], 28, colour=False),
        _glyphs("grades-32", list("ABCDE"), 32),
        _glyphs("even-odd-28", ["02468", "13579"], 28, colour=False, plain=True),
        _glyphs("letter-or-nothing-28", [UPPER], 28, nothing=True),
        _glyphs("digit-kinds-24", ["0689", "1247", "35"], 24, colour=False),
        _glyphs("serif-32", [UPPER], 32),  # replaced below
        _glyphs("greek-32", _GREEK, 32, wide, colour=False),
        _glyphs("cyrillic-28", _CYRILLIC, 28, wide, colour=False),
        _glyphs("signs-of-math-28", list("+-=<>%&#@?"), 28),
        # icons, cards, chess
        _glyphs("icons-12-32", _icons(12, 1), 32, icons),
        _glyphs("icons-20-grey-28", _icons(20, 2), 28, icons, colour=False),
        _glyphs("icons-4-32", _icons(4, 3), 32, icons),
        _glyphs("icons-2-24", _icons(2, 4), 24, icons),
        _glyphs("icons-8-or-nothing-32", _icons(8, 5), 32, icons, nothing=True),
        _glyphs("chess-13-32", _CHESS_BOTH, 32, chess, nothing=True),
        _glyphs("chess-6-28", _CHESS, 28, chess, colour=False),
        _glyphs("piece-or-empty-32", ["".join(c for [c] in _CHESS)], 32, chess, nothing=True,
                one_logit=True),
        _glyphs("suits-28", _SUITS, 28, chess),
        _glyphs("ranks-13-32", [["10"], *[[k] for k in "A23456789JQK"]], 32),
        _glyphs("faces-10-32", _FACES, 32, emoji),
        _glyphs("animals-8-32", _ANIMALS, 32, emoji),
        _glyphs("fruit-3-32", _FRUIT[:3], 32, emoji),
        _glyphs("face-or-animal-32", [_FACES, _ANIMALS], 32, emoji),
        # shapes, textures, signs
        _draws("shapes-8-32", shapes, 32),
        _draws("shapes-5-28", shapes[:5], 28, colour=False),
        _draws("shapes-3-24", shapes[1:4], 24),
        _draws("circle-or-square-28", [shapes[0], shapes[2]], 28, one_logit=True),
        _draws("shapes-or-nothing-32", [drawn.nothing, *shapes[:4]], 32),
        _draws("shape-or-texture-32", [shapes[3], textures[0]], 32),
        _draws("textures-8-32", textures, 32),
        _draws("textures-4-32", textures[:4], 32, colour=False),
        _draws("textures-2-28", textures[1:3], 28),
        _draws("signs-20-32", _signs(*range(20)), 32),
        _draws("signs-12-32", _signs(*range(12)), 32),
        _draws("signs-5-32", _signs(1, 8, 10, 12, 17), 32),
        _draws("signs-2-32", _signs(1, 8), 32),
        _draws("sign-or-nothing-32", [drawn.nothing, *_signs(0, 6, 15)], 32),
        # data sets
        _digits("digits8-10", [[k] for k in range(10)]),
        _digits("digits8-3", [[0], [1], [7]]),
        _digits("digits8-even", [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]),
        _digits("digits8-on-16", [[k] for k in range(10)], 16),
        _solar("solar-32", 32, one_logit=False),
        _solar("solar-48", 48, one_logit=True),
        _grouped("cifar-animals", "cifar10", [[2, 3, 4, 5, 6, 7], [0, 1, 8, 9]]),
        _grouped("cifar-plane-ship", "cifar10", [[0], [8]], one_logit=True),
        _grouped("cifar-frog-rare", "cifar10", [[1], [6]], unbalanced=True),
        _grouped("cifar-air-land-sea", "cifar10", [_AIR, _LAND, _SEA]),
        _grouped("cifar-four", "cifar10", [[0], [4], [6], [9]]),
        _grouped("cifar-five", "cifar10", [[1], [2], [5], [7], [8]]),
        _grouped("cifar-horse-nothing", "cifar10", [[7], [8], [1]], nothing=True),
        _grouped("cifar-truck-64", "cifar10", [[9], [3]], side=64),
        _grouped("cifar-ten-64", "cifar10", [[k] for k in range(10)], side=64),
        _grouped("cifar-six", "cifar10", [[0], [1], [4], [6], [8], [9]]),
        _grouped("garment-shoes", "fashion-mnist", [[5, 7, 9], [0, 1, 2, 3, 4, 6, 8]]),
        _grouped("garment-rare-bag", "fashion-mnist", [[0], [8]], unbalanced=True),
        _grouped("garment-three", "fashion-mnist", [[0, 2, 3, 4, 6], [1], [5, 7, 9]]),
        _grouped("garment-four", "fashion-mnist", [[1], [5], [8], [9]]),
        _grouped("garment-five-nothing", "fashion-mnist", [[0], [1], [3], [8], [9]], nothing=True),
        _grouped("garment-seven", "fashion-mnist", [[0], [1], [3], [5], [7], [8], [9]]),
        _grouped("mnist-one-seven", "mnist", [[1], [7]]),
        _grouped("mnist-three", "mnist", [[0], [4], [8]]),
        _grouped("mnist-low-high", "mnist", [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], one_logit=True),
    ]  # fmt: skip


_SERIF = ("LiberationSerif", "FreeSerif", "NotoSerif-", "EBGaramond", "GFSDidot", "C059", "P052")
_SANS = ("LiberationSans-", "FreeSans", "NotoSans-", "Lato-", "Roboto-", "OpenSans", "Carlito")


def _serif(task: Task) -> Task:
    """Letters with serifs, and without."""
    texts = list(UPPER + LOWER)
    return replace(task, classes=2, draws=(drawn.glyph(texts, _SERIF), drawn.glyph(texts, _SANS)))


TASKS = {t.name: _serif(t) if t.name == "serif-32" else t for t in _all_tasks()}
