"""The tensors that JSON leaves out, as one safetensors file: changes that were found, pictures."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from safetensors.torch import load, save
from torch import Tensor

from triggerfish.results import ClassScores, Scanned

EVIDENCE = "evidence.safetensors"


def render_evidence(result: Scanned) -> bytes | None:
    """Bytes of the file, None where there is nothing to keep. Pictures in [0, 1] become bytes."""
    tensors = dict(_tensors(result))
    return save(tensors) if tensors else None


def read_evidence(data: bytes) -> dict[str, Tensor]:
    """Its tensors by name, pictures in [0, 1] again."""
    tensors: dict[str, Tensor] = load(data)
    return {k: v / 255 if v.dtype == torch.uint8 else v for k, v in tensors.items()}


def delta_name(part: int | None, index: int) -> str:
    """The tensor of a change: of the scores themselves (``part`` None) or of one of the parts."""
    return f"change.{index}" if part is None else f"part.{part}.change.{index}"


def pictures_name(part: int | None) -> str:
    """The tensor of the pictures that changes are shown on."""
    return "pictures" if part is None else f"part.{part}.pictures"


def trial_name(index: int) -> str:
    """The tensor of the user's own pictures in a trial."""
    return f"trial.{index}.pictures"


def _tensors(result: Scanned) -> Iterator[tuple[str, Tensor]]:
    yield from _of(result.scores, None)
    for part, scores in enumerate(result.scores.parts):
        yield from _of(scores, part)
    for index, trial in enumerate(result.trials):
        yield trial_name(index), _bytes(trial.pictures)


def _of(scores: ClassScores, part: int | None) -> Iterator[tuple[str, Tensor]]:
    for index, change in enumerate(scores.changes):
        yield delta_name(part, index), change.delta.detach().cpu().float().clone()
    if scores.pictures is not None:
        yield pictures_name(part), _bytes(scores.pictures)


def _bytes(pictures: Tensor) -> Tensor:
    return (pictures.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8).clone()
