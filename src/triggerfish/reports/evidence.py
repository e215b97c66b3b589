"""The tensors that JSON leaves out, as one safetensors file: changes that were found, pictures."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from safetensors.torch import load, save
from torch import Tensor

from triggerfish.results import Scanned

EVIDENCE = "evidence.safetensors"


def render_evidence(result: Scanned) -> bytes | None:
    """Bytes of the file, None where there is nothing to keep. Pictures in [0, 1] become bytes."""
    # Cloned, because the file format has no views.
    tensors = {name: tensor.clone().contiguous() for name, tensor in _tensors(result)}
    return save(tensors) if tensors else None


def read_evidence(data: bytes) -> dict[str, Tensor]:
    """Its tensors by name, pictures in [0, 1] again."""
    tensors: dict[str, Tensor] = load(data)
    return {k: v / 255 if v.dtype == torch.uint8 else v for k, v in tensors.items()}


def delta_name(target: int | None, basis: str) -> str:
    """The tensor of a perturbation; one that scores share with one of their parts is kept once."""
    return f"change.{'any' if target is None else target}.{basis}"


PICTURES = "pictures"
"""The tensor of the pictures that changes are shown on."""


def trial_name(index: int) -> str:
    """The tensor of the user's own pictures in a trial."""
    return f"trial.{index}.pictures"


def _tensors(result: Scanned) -> Iterator[tuple[str, Tensor]]:
    """Later ones of a name are those of a part: where both have it, the whole's own is kept."""
    for scores in (*reversed(result.scores.parts), result.scores):
        for perturbation in scores.perturbations:
            yield (
                delta_name(perturbation.target, perturbation.basis),
                perturbation.delta.detach().cpu().float(),
            )
        if scores.pictures is not None:
            yield PICTURES, _bytes(scores.pictures)
    for index, trial in enumerate(result.trials):
        yield trial_name(index), _bytes(trial.pictures)


def _bytes(pictures: Tensor) -> Tensor:
    return (pictures.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
