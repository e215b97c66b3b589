"""Images that are drawn: glyphs of fonts, shapes, textures and road signs.

Every function takes a NumPy generator and gives one image, uint8 ``(H, W, 3)``. Fonts are those of
the system (``fc-list``): Debian's fonts-liberation, -freefont-ttf, -lato, -open-sans, -noto-core,
-roboto-unhinted, -urw-base35, -font-awesome, -symbola, -noto-color-emoji and others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Array = NDArray[np.uint8]
Random = np.random.Generator
Draw = Callable[[Random, int], Array]

FONTS = Path("/usr/share/fonts")
LATIN = (
    "Liberation", "DejaVu", "Free", "Roboto", "Lato-", "OpenSans", "NotoSans-", "NotoSerif-",
    "Cantarell", "Carlito", "Caladea", "ComicNeue", "Hack-", "JetBrainsMono", "Quicksand", "C059",
    "Nimbus", "P052", "URW", "GFSDidot", "EBGaramond", "Cabin", "Vollkorn", "FiraCode", "Cousine",
)  # fmt: skip
WIDE = ("DejaVu", "Free", "Liberation", "NotoSans-", "NotoSerif-", "Roboto-", "OpenSans-")
CHESS = ("DejaVuSans", "FreeSerif", "FreeMono", "Symbola", "NotoSansSymbols2", "unifont.otf")
ICONS = ("fontawesome", "FontAwesome", "materialdesignicons")
EMOJI = ("NotoColorEmoji",)
MOST_FONTS = 30  # of one kind: each is opened in several sizes
_EMOJI_SIZE = 109  # the only one that this font has


@cache
def fonts_of(prefixes: tuple[str, ...]) -> tuple[Path, ...]:
    """At most `MOST_FONTS` whose names begin so, spread over all; an error where there are none."""
    found = [p for p in FONTS.rglob("*.[to]tf") if p.name.startswith(prefixes)]
    if not found:
        raise FileNotFoundError(f"expected fonts named {', '.join(prefixes)} below {FONTS}")
    found.sort(key=lambda p: p.name)
    return tuple(found[:: -(-len(found) // MOST_FONTS)])


@cache
def _fonts_with(prefixes: tuple[str, ...], text: str) -> tuple[Path, ...]:
    """Those of them that have every character of a text."""
    if text.isascii():
        return fonts_of(prefixes)
    found = [p for p in fonts_of(prefixes) if set(map(ord, text)) <= _characters(p)]
    if not found:
        raise FileNotFoundError(f"expected a font of {', '.join(prefixes)} with {text!r}")
    return tuple(found)


@cache
def _characters(path: Path) -> frozenset[int]:
    with TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap() or ())


@lru_cache(maxsize=4096)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


def colours(random: Random) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two colours of different brightness: of the ground, and of what stands on it."""
    while True:
        ground, ink = random.integers(0, 256, (2, 3))
        if abs(float(ground.mean()) - float(ink.mean())) > 60:
            return tuple(map(int, ground)), tuple(map(int, ink))


def finished(image: Image.Image, random: Random, noise: float = 6.0) -> Array:
    """The image with a little blur, sometimes, and noise."""
    if random.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(float(random.uniform(0.2, 0.8))))
    noisy = random.normal(0.0, noise * random.random(), (*image.size[::-1], 3))
    values = np.asarray(image, np.float64) + noisy
    return values.clip(0, 255).astype(np.uint8)


def glyph(texts: Sequence[str], fonts: tuple[str, ...], *, plain: bool = False) -> Draw:
    """One of ``texts`` in some font, turned and moved a little; ``plain``: white on black."""

    def draw(random: Random, side: int) -> Array:
        ground, ink = ((0, 0, 0), (255, 255, 255)) if plain else colours(random)
        image = Image.new("RGB", (side, side), ground)
        write(image, random, str(random.choice(list(texts))), fonts, ink)
        return finished(image, random)

    return draw


def write(
    image: Image.Image, random: Random, text: str, fonts: tuple[str, ...], ink: tuple[int, ...],
    scale: float = 0.75,
) -> None:  # fmt: skip
    """Write ``text`` near the middle of the image, ``scale`` of its side high."""
    side = image.size[0]
    paths = _fonts_with(fonts, text)
    path = paths[int(random.integers(len(paths)))]
    colour = path.name.startswith(EMOJI)
    size = (
        _EMOJI_SIZE
        if colour
        else max(6, int(side * scale * random.choice((0.86, 0.94, 1.02, 1.1))))
    )
    font = _font(path, size)
    left, top, right, bottom = font.getbbox(text)
    room = (max(int(right - left), 1), max(int(bottom - top), 1))
    layer = Image.new("RGBA", room, (0, 0, 0, 0))
    place = (-left, -top)
    ImageDraw.Draw(layer).text(place, text, (*ink, 255), font, embedded_color=colour)
    if colour or max(room) > side * 0.95:
        factor = side * scale * random.uniform(0.85, 1.15) / max(room)
        layer = layer.resize((max(1, int(room[0] * factor)), max(1, int(room[1] * factor))))
    layer = layer.rotate(float(random.normal(0, 6)), Image.Resampling.BILINEAR, expand=True)
    x, y = ((side - length) // 2 + int(random.integers(-2, 3)) for length in layer.size)
    image.paste(layer, (x, y), layer)


def _corners(
    count: int, radius: float, turn: float, inner: float = 0.0
) -> list[tuple[float, float]]:
    """Corners of a polygon around 0; with ``inner`` those of a star."""
    steps = count * 2 if inner else count
    lengths = [radius if k % 2 == 0 or not inner else radius * inner for k in range(steps)]
    angles = [turn + 2 * math.pi * k / steps for k in range(steps)]
    return [(r * math.cos(a), r * math.sin(a)) for r, a in zip(lengths, angles, strict=True)]


SHAPES = ("circle", "triangle", "square", "star", "hexagon", "cross", "ring", "bar")


def shape(kind: str) -> Draw:
    """A filled shape of any colour, place and turn on a plain ground."""

    def draw(random: Random, side: int) -> Array:
        ground, ink = colours(random)
        image = Image.new("RGB", (2 * side, 2 * side), ground)
        x, y = random.uniform(0.75, 1.25, 2) * side
        r, turn = side * random.uniform(0.35, 0.7), random.uniform(0, 2 * math.pi)
        brush = ImageDraw.Draw(image)
        if kind in ("circle", "ring"):
            brush.ellipse((x - r, y - r, x + r, y + r), fill=ink)
            if kind == "ring":
                brush.ellipse((x - r / 2, y - r / 2, x + r / 2, y + r / 2), fill=ground)
        elif kind in ("cross", "bar"):
            for k in range(2 if kind == "cross" else 1):
                a = turn + k * math.pi / 2
                ends = (x - r * math.cos(a), y - r * math.sin(a), x + r * math.cos(a),
                        y + r * math.sin(a))  # fmt: skip
                brush.line(ends, fill=ink, width=max(3, int(r / 3)))
        else:
            count, inner = {"triangle": (3, 0.0), "square": (4, 0.0), "hexagon": (6, 0.0)}.get(
                kind, (5, 0.4)
            )
            corners = _corners(count, r, turn, inner)
            brush.polygon([(x + dx, y + dy) for dx, dy in corners], fill=ink)
        return finished(image.resize((side, side), Image.Resampling.BILINEAR), random)

    return draw


TEXTURES = ("stripes", "checks", "dots", "grain", "clouds", "rings", "bricks", "slope")


def texture(kind: str) -> Draw:
    """A texture of two colours."""

    def draw(random: Random, side: int) -> Array:
        ground, ink = colours(random)
        share = _pattern(kind, random, side)[..., None]
        values = np.array(ground) * (1 - share) + np.array(ink) * share
        return finished(Image.fromarray(values.clip(0, 255).astype(np.uint8)), random)

    return draw


def _pattern(kind: str, random: Random, side: int) -> NDArray[np.float64]:
    """How much of the second colour, (H, W) in [0, 1]."""
    y, x = np.indices((side, side)).astype(np.float64)
    angle, period = random.uniform(0, math.pi), random.uniform(4, 10)
    phase = random.uniform(0, 2 * math.pi, 2)
    u = x * math.cos(angle) + y * math.sin(angle)
    v = y * math.cos(angle) - x * math.sin(angle)
    first, second = (
        np.sin(2 * math.pi * u / period + phase[0]),
        np.sin(2 * math.pi * v / period + phase[1]),
    )
    if kind == "stripes":
        return np.asarray((first > 0).astype(np.float64), np.float64)
    if kind == "checks":
        return np.asarray((first * second > 0).astype(np.float64), np.float64)
    if kind == "dots":
        return np.asarray((first + second > 0.9).astype(np.float64), np.float64)
    if kind == "grain":
        return random.random((side, side))
    if kind == "rings":
        radius = np.hypot(x - random.uniform(0, side), y - random.uniform(0, side))
        return 0.5 + 0.5 * np.sin(2 * math.pi * radius / period)
    if kind == "bricks":
        row = (y // period).astype(int)
        return np.asarray(
            (((y % period) > 1.5) & (((x + (row % 2) * period) % (2 * period)) > 1.5)) * 1.0,
            np.float64,
        )
    if kind == "slope":
        return np.asarray(np.clip((u - u.min()) / np.ptp(u), 0, 1), np.float64)
    coarse = random.random((6, 6)) * 255
    smooth = Image.fromarray(coarse.astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float64) / 255


def nothing(random: Random, side: int) -> Array:
    """What a class *nothing there* has: an even ground, a slope, clouds or grain."""
    kind = str(random.choice(["even", "slope", "clouds", "grain"]))
    if kind != "even":
        return texture(kind)(random, side)
    ground, _ = colours(random)
    return finished(Image.new("RGB", (side, side), ground), random)


SIGNS = (
    ("red", "20"), ("red", "30"), ("red", "50"), ("red", "60"), ("red", "80"), ("red", ""),
    ("warn", "!"), ("warn", "A"), ("warn", "X"), ("warn", "I"), ("stop", "STOP"), ("yield", ""),
    ("blue", "\u2190"), ("blue", "\u2191"), ("blue", "\u2192"), ("square", "P"), ("square", "i"),
    ("main", ""), ("red", "7.5"), ("warn", "+"),
)  # fmt: skip


def sign(kind: str, text: str) -> Draw:
    """A road sign before clouds, brighter or darker."""

    def draw(random: Random, side: int) -> Array:
        image = Image.fromarray(texture("clouds")(random, side)).resize((2 * side, 2 * side))
        brush, ink = ImageDraw.Draw(image), (0, 0, 0)
        c, r = side * random.uniform(0.93, 1.07), side * random.uniform(0.72, 0.92)
        box = (c - r, c - r, c + r, c + r)

        def polygon(count: int, turn: float, colour: tuple[int, ...], scale: float) -> None:
            corners = _corners(count, r * scale, turn)
            brush.polygon([(c + x, c + y) for x, y in corners], fill=colour)

        red, white, blue, yellow = (200, 20, 30), (240, 240, 240), (20, 70, 180), (240, 200, 30)
        if kind == "red":
            brush.ellipse(box, fill=white, outline=red, width=int(r / 4))
        elif kind in ("warn", "yield"):
            turn = -math.pi / 2 if kind == "warn" else math.pi / 2
            polygon(3, turn, red, 1.0)
            polygon(3, turn, white, 0.65)
        elif kind == "stop":
            polygon(8, math.pi / 8, red, 1.0)
            ink = white
        elif kind == "main":
            polygon(4, 0.0, white, 1.0)
            polygon(4, 0.0, yellow, 0.7)
        else:
            (brush.ellipse if kind == "blue" else brush.rectangle)(box, fill=blue)
            ink = white
        if text:
            write(image, random, text, ("DejaVuSans-Bold",), ink, 0.3 if len(text) > 1 else 0.45)
        image = image.resize((side, side), Image.Resampling.BILINEAR)
        values = np.asarray(image, np.float32) * random.uniform(0.4, 1.2)
        return finished(Image.fromarray(values.clip(0, 255).astype(np.uint8)), random)

    return draw
