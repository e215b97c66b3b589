"""The one view of a model that the rest of Triggerfish sees.

Everything that differs between models (mean, std, value range, channel order, the kind of head)
ends here: a `Classifier` maps images in the [0, 1] box to logits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError

OutputKind = Literal["logits", "log_softmax", "softmax", "sigmoid"]

# Published training constants of MNIST: mean and std of the training pixels.
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081


@dataclass(frozen=True)
class Preprocessing:
    """How an image in [0, 1] becomes the network's input: ``(range(x) - mean) / std``.

    ``mean`` and ``std`` have one value or one a channel, in units of ``input_range``;
    ``input_range`` is what [0, 1] is stretched to first, (0, 255) for networks fed raw bytes.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    input_range: tuple[float, float] = (0.0, 1.0)
    channels_last: bool = False

    def __post_init__(self) -> None:
        if any(s <= 0 for s in self.std):
            raise ValueError(f"expected a positive std for every channel, got {self.std}")
        if self.input_range[0] >= self.input_range[1]:
            raise ValueError(f"expected an input range low < high, got {self.input_range}")

    def affine(self, channels: int) -> tuple[Tensor, Tensor]:
        """Scale and shift, each ``(1, C, 1, 1)``: input = image * scale + shift."""
        low, high = self.input_range
        mean = torch.tensor(self.mean, dtype=torch.float32).expand(channels)
        std = torch.tensor(self.std, dtype=torch.float32).expand(channels)
        scale, shift = (high - low) / std, (low - mean) / std
        return scale.view(1, -1, 1, 1), shift.view(1, -1, 1, 1)


class Classifier:
    """Images ``(N, C, H, W)`` in [0, 1] -> logits ``(N, K)``; frozen, in evaluation mode.

    A module is copied, so the caller's own mode, gradients and memory format stay as they are;
    any other callable on a tensor is used as it is.
    """

    def __init__(
        self,
        model: nn.Module | Callable[[Tensor], object],
        input_shape: Sequence[int],
        *,
        preprocessing: Preprocessing | None = None,
        num_classes: int | None = None,
        output: OutputKind = "logits",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        name: str = "",
    ) -> None:
        if len(input_shape) != 3 or min(input_shape) < 1:
            raise ValueError(f"expected input_shape (C, H, W), got {tuple(input_shape)}")
        self.input_shape: tuple[int, int, int] = tuple(input_shape)  # type: ignore[assignment]
        self.preprocessing = preprocessing or Preprocessing()
        self.output: OutputKind = output
        self.device, self.dtype = torch.device(device), dtype
        self.name = name
        if isinstance(model, nn.Module):
            model = copy.deepcopy(model).to(self.device, dtype).eval().requires_grad_(requires_grad=False)
            model = model.to(memory_format=torch.channels_last)
        self.model = model
        scale, shift = self.preprocessing.affine(self.input_shape[0])
        self._scale, self._shift = scale.to(self.device, dtype), shift.to(self.device, dtype)
        found = self._probe()
        if num_classes is not None and num_classes != found:
            raise UnsupportedModelError(
                f"expected logits of shape (N, {num_classes}), got (N, {found}): "
                "pass the right number of classes or fix the model card"
            )
        self.num_classes = found

    @property
    def num_pixels(self) -> int:
        """Values an image holds, channels included."""
        return self.input_shape[0] * self.input_shape[1] * self.input_shape[2]

    def raw_output(self, images: Tensor) -> Tensor:
        """What the model itself answers to images ``(N, C, H, W)`` in [0, 1]: ``(N, K)``."""
        x = torch.addcmul(self._shift, images, self._scale)
        x = x.permute(0, 2, 3, 1) if self.preprocessing.channels_last else x
        return _first_tensor(self.model(x))

    def logits(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)`` of images ``(N, C, H, W)`` in [0, 1], up to a constant a row.

        Probabilities become log-probabilities, which are logits up to that constant; log-odds do
        not see it. Sigmoid outputs become the logit of each class on its own.
        """
        y = self.raw_output(images)
        if self.output == "softmax":
            return y.clamp_min(torch.finfo(y.dtype).tiny).log()
        if self.output == "sigmoid":
            return torch.logit(y, eps=torch.finfo(y.dtype).eps)
        return y

    def _probe(self) -> int:
        """Run one grey image and return the number of classes."""
        grey = torch.full((1, *self.input_shape), 0.5, device=self.device, dtype=self.dtype)
        try:
            with torch.no_grad():
                y = self.raw_output(grey)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UnsupportedModelError(
                f"expected a model that takes images of shape {self.input_shape}, "
                f"got an error from it: {first_line}"
            ) from error
        if y.ndim != 2 or y.shape[0] != 1 or y.shape[1] < 2:
            raise UnsupportedModelError(
                f"expected an output of shape (N, classes), got {tuple(y.shape)} for one image"
            )
        if not bool(torch.isfinite(y).all()):
            raise UnsupportedModelError(
                "expected finite outputs, got NaN or infinity for a grey image: "
                "the weights or the preprocessing are broken"
            )
        return int(y.shape[1])


def _first_tensor(output: object) -> Tensor:
    """The logits in a model's answer: a tensor, a tuple, a mapping or a dataclass with logits."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, dict) and isinstance(output.get("logits"), Tensor):
        return output["logits"]  # type: ignore[no-any-return]
    logits = getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor):
        return output[0]
    raise UnsupportedModelError(
        f"expected a tensor of logits or something that holds one, got {type(output).__name__}"
    )


def log_odds(logits: Tensor, target: Tensor) -> Tensor:
    """Log-odds of class ``target`` (N,) under ``logits`` (N, K): logit_y - logsumexp of the others.

    It is log(p / (1 - p)), computed without going through p: it does not saturate and does not
    change when a constant is added to all logits.
    """
    column = target.view(-1, 1)
    others = logits.scatter(1, column, float("-inf"))
    return logits.gather(1, column).squeeze(1) - others.logsumexp(1)
