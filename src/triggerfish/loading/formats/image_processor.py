"""What a Hugging Face image processor does to pictures, found by asking the processor itself.

Its class fills in what its JSON leaves out, and each class reads the same keys in its own way. So
the installed class is built from the folder, shown black, white and coloured pictures, and taken
for the affine map of each channel that it then is; pictures of noise must confirm it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triggerfish.errors import UnsupportedModelError, one_line
from triggerfish.loading.hints import Hints

MAX_SIDE = 4096
_SIZE_WORDS = ("size", "short", "long", "edge", "height", "width", "pad")
_SIZES = ("size", "crop_size", "pad_size")
_SMALLEST_CROP = 0.05  # share of a resized picture: the picture is resized to the crop over it
_AS_THEY_ARE = {"do_resize": False, "do_center_crop": False, "do_pad": False}
_SQUARES = (160, 256)  # sides of pictures, to see what size a processor makes of any
_CLOSE = 1e-5  # of the range of inputs: processors calculate in float32
_RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """``input[c] = (picture * scale + shift)[order[c]]`` of pictures in [0, 1].

    ``hints`` have the scale and shift of each channel of a picture, and the (C, H, W) that any
    square picture becomes where that is one.
    """

    hints: Hints
    order: tuple[int, ...]


def read_processor(folder: Path, config: Mapping[str, Any], channels: int, name: str) -> Prepared:
    """Ask the image processor of a model folder, whose JSON is ``config``.

    Raises `UnsupportedModelError`, with the processor's name, where it cannot be built or does more
    than scale and shift the channels.
    """
    kind = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    try:
        check_sizes(config)
        processor = _build(folder)
        kind = type(processor).__name__
        side = _side(config)
        scale, order, shift = _measure(processor, channels, side)
        shape = _final_shape(processor, scale, shift)
        of_pictures = np.argsort(order)  # the network reorders what was scaled and shifted
        scale, shift = scale[of_pictures], shift[of_pictures]
    except UnsupportedModelError as error:
        raise _refusal(kind, str(error)) from error
    except Exception as error:  # whatever transformers makes of a strange config
        raise _refusal(kind, f"{type(error).__name__}: {one_line(error)}") from error
    said = f"{name} (its {kind}{', channels reversed' if order != sorted(order) else ''})"
    return Prepared(_hints(said, processor, scale, shift, shape), tuple(order))


def check_sizes(config: Mapping[str, Any]) -> None:
    """Raise `UnsupportedModelError` for a config that would resize pictures without bounds."""
    sizes = [value for key, value in config.items() if any(word in key for word in _SIZE_WORDS)]
    largest = max((abs(number) for size in sizes for number in _numbers(size)), default=0)
    share = config.get("crop_pct")
    small = isinstance(share, (int, float)) and not share >= _SMALLEST_CROP
    if not largest <= MAX_SIDE or small:
        raise UnsupportedModelError(f"sizes above {MAX_SIDE} pixels")


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (Mapping, list)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(item)


def _refusal(kind: str, problem: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"expected an image processor that scales and shifts pictures, got {kind or 'one'!r} "
        f"({problem}): say what it does with --input-shape, --mean, --std and --input-range"
    )


def _build(folder: Path) -> Any:  # noqa: ANN401 - the optional package
    auto: Any = importlib.import_module("transformers").AutoImageProcessor
    return auto.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _side(config: Mapping[str, Any]) -> int:
    """A side of pictures that the processor may be made for: some cut into patches."""
    sides = [int(v) for key in _SIZES for v in _numbers(config.get(key)) if 8 <= v <= 512]
    return min(sides, default=32)


def _measure(processor: Any, channels: int, side: int) -> tuple[Numbers, list[int], Numbers]:  # noqa: ANN401
    """Scale, order and shift of the channels; raises unless noise agrees with them."""
    colours = np.concatenate([np.zeros((1, channels)), np.eye(channels), np.ones((1, channels))])
    flat = [_flat(colour, side) for colour in colours]
    answers = _asked(processor, flat)
    if not np.isfinite(answers).all():
        raise UnsupportedModelError("it makes no finite numbers of pictures")
    levels = answers.mean((2, 3))
    shift, mixing = levels[0], (levels[1:-1] - levels[0]).T
    order = [int(place) for place in np.abs(mixing).argmax(1)]
    scale = mixing[range(channels), order]
    if sorted(order) != list(range(channels)) or not min(scale) > 0:
        raise UnsupportedModelError("it mixes or inverts channels")
    generator = np.random.default_rng(0)
    noise = [
        generator.integers(0, most, (side, side, channels), dtype=np.uint8) for most in (256, 60)
    ]
    for pictures, found in ((flat, answers), (noise, _asked(processor, noise))):
        values = np.stack(pictures).transpose(0, 3, 1, 2)[:, order] / 255
        expected = values * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)
        _compare(found, expected, scale, shift)
    return scale, order, shift


def _flat(colour: Numbers, side: int) -> NDArray[np.uint8]:
    return np.tile((255 * colour).astype(np.uint8), (side, side, 1))


def _asked(processor: Any, pictures: Sequence[NDArray[np.uint8]]) -> Numbers:  # noqa: ANN401
    """The inputs (N, C, H, W) that a processor makes of pictures (H, W, C) without resizing."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        made = processor(
            list(pictures), return_tensors="pt", input_data_format="channels_last", **_AS_THEY_ARE
        )
    values = made["pixel_values"]
    height, width, channels = pictures[0].shape
    expected = (len(pictures), channels, height, width)
    if not isinstance(values, Tensor) or tuple(values.shape) != expected:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise UnsupportedModelError(f"{expected} pictures become {got}")
    return np.asarray(values.double())


def _final_shape(
    processor: Any,  # noqa: ANN401
    scale: Numbers,
    shift: Numbers,
) -> tuple[int, int, int] | None:
    """The shape that square pictures of two sizes become, None where it is not one.

    Raises `UnsupportedModelError` where a grey picture does not stay what the map makes of it.
    """
    shapes: set[tuple[int, ...]] = set()
    for side in _SQUARES:
        picture = np.full((side, side, len(scale)), 102, np.uint8)
        try:
            made = processor([picture], return_tensors="pt", input_data_format="channels_last")
        except Exception:  # a size that this class does not understand is no size
            return None
        values = made["pixel_values"]
        shapes.add(tuple(values.shape))
        if values.ndim == 4:
            middle = np.asarray(values.double())[0, :, values.shape[2] // 2, values.shape[3] // 2]
            _compare(middle, 0.4 * scale + shift, scale, shift)
    shape = shapes.pop()
    if shapes or len(shape) != 4 or shape[1] != len(scale):
        return None
    return (shape[1], shape[2], shape[3])


def _compare(found: Numbers, expected: Numbers, scale: Numbers, shift: Numbers) -> None:
    span = float(np.abs(scale).max() + np.abs(shift).max())
    if found.shape != expected.shape or not np.abs(found - expected).max() <= _CLOSE * span:
        raise UnsupportedModelError("its answer to other pictures is another one")


def _hints(
    source: str,
    processor: Any,  # noqa: ANN401
    scale: Numbers,
    shift: Numbers,
    shape: tuple[int, int, int] | None,
) -> Hints:
    """Mean, std and range: in the processor's own numbers, where those are the same map."""
    zero, one = np.zeros(len(scale)), np.ones(len(scale))
    found = (-shift / scale, 1 / scale, (0.0, 1.0))
    for low, high in reversed(_RANGES):
        for mean, std in ((zero, one), *_own(processor, len(scale))):
            slope, start = (high - low) / std, (low - mean) / std
            off = max(np.abs(slope - scale).max(), np.abs(start - shift).max())
            if off < _CLOSE * (np.abs(scale).max() + np.abs(shift).max()):
                found = (mean, std, (low, high))
    mean, std, span = found
    return Hints(source, input_shape=shape, mean=_tuple(mean), std=_tuple(std), input_range=span)


def _own(processor: Any, channels: int) -> Iterator[tuple[Numbers, Numbers]]:  # noqa: ANN401
    """The mean and std that a processor names, where it names them for these channels."""
    mean, std = (getattr(processor, name, None) for name in ("image_mean", "image_std"))
    try:
        yield (
            np.broadcast_to(np.array(mean, np.float64), (channels,)),
            np.broadcast_to(np.array(std, np.float64), (channels,)),
        )
    except (ValueError, TypeError):
        return


def _tuple(values: Numbers) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values)
