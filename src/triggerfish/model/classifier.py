"""The one view of a model that the rest of Triggerfish sees.

Everything that differs between models (mean, std, value range, channel order, the kind of head)
ends here: a `Classifier` maps images in the [0, 1] box to logits.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError, one_line
from triggerfish.model.heads import (
    OutputKind,
    is_saturated,
    to_logits,
    two_classes,
    without_probability_head,
)
from triggerfish.model.input_convolution import with_fast_input_gradient
from triggerfish.model.memory import is_out_of_memory
from triggerfish.model.settling import settle
from triggerfish.results import Assumption, Fact

__all__ = ["MNIST_MEAN", "MNIST_STD", "Classifier", "OutputKind", "Preprocessing", "log_odds"]

# Published training constants of MNIST: mean and std of the training pixels.
MNIST_MEAN, MNIST_STD = 0.1307, 0.3081

_PROBES = 4  # images in the probe: grey, and noise enough to tell kinds of output apart


@dataclass(frozen=True)
class Preprocessing:
    """How an image in [0, 1] becomes the network's input: ``(range(x) - mean) / std``.

    ``mean`` and ``std`` have one value or one per channel, in units of ``input_range``;
    ``input_range`` is what [0, 1] is stretched to first, (0, 255) for networks fed raw bytes.
    ``channels_last`` is for networks that take ``(N, H, W, C)``. A single number is one value.

    Raises:
        ValueError: A value that is not finite, a std that is not positive, an empty range.

    Example:
        >>> import triggerfish as tf
        >>> mnist = tf.Preprocessing(mean=(0.1307,), std=(0.3081,))
        >>> bytes_in = tf.Preprocessing(input_range=(0.0, 255.0))
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    input_range: tuple[float, float] = (0.0, 1.0)
    channels_last: bool = False

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            value: object = getattr(self, name)
            if isinstance(value, (int, float)):
                object.__setattr__(self, name, (float(value),))
        if not all(math.isfinite(v) for v in (*self.mean, *self.std, *self.input_range)):
            raise ValueError("expected finite mean, std and input range, got NaN or infinity")
        if any(s <= 0 for s in self.std):
            raise ValueError(f"expected a positive std for every channel, got {self.std}")
        if self.input_range[0] >= self.input_range[1]:
            raise ValueError(f"expected an input range low < high, got {self.input_range}")

    def affine(self, channels: int) -> tuple[Tensor, Tensor]:
        """Scale and shift, each ``(1, C, 1, 1)``: input = image * scale + shift.

        Raises `ValueError` unless mean and std have one value, or one per channel.
        """
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                count = "1 channel" if channels == 1 else f"{channels} channels"
                raise ValueError(
                    f"{name} has {len(values)} numbers, and an image {count}: "
                    "give one number, or one for each channel"
                )
        low, high = self.input_range
        mean = torch.tensor(self.mean, dtype=torch.float32).expand(channels)
        std = torch.tensor(self.std, dtype=torch.float32).expand(channels)
        scale, shift = (high - low) / std, (low - mean) / std
        return scale.view(1, -1, 1, 1), shift.view(1, -1, 1, 1)


def image_shape(shape: object) -> tuple[int, int, int]:
    """``(C, H, W)`` of an image; raises `ValueError` for anything else."""
    numbers = tuple(shape) if isinstance(shape, Iterable) else ()
    if len(numbers) != 3 or not all(isinstance(n, Integral) and int(n) >= 1 for n in numbers):
        raise ValueError(f"expected input_shape=(C, H, W), such as (1, 28, 28), got {shape}")
    channels, height, width = map(int, numbers)
    return channels, height, width


def check_preprocessing(preprocessing: Preprocessing | None) -> Preprocessing | None:
    """What was given; raises `ValueError` for numbers that say not what they are."""
    if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
        raise ValueError(
            f"expected a Preprocessing, got {preprocessing}: "
            "write preprocessing=tf.Preprocessing(mean=..., std=...)"
        )
    return preprocessing


def check_is_model(model: object) -> None:
    """Raises `ValueError` for what people pass in place of a network, and says what to pass."""
    if isinstance(model, type):
        raise ValueError(
            f"expected a network, got the class {model.__name__}: "
            f"pass {model.__name__}() with its weights loaded"
        )
    if isinstance(model, Mapping):
        raise ValueError(
            "expected a network, got its weights: load them with load_state_dict, "
            "or save them and scan the file"
        )
    if isinstance(model, (list, tuple)):
        raise ValueError(f"expected one model, got {len(model)}: scan_files takes several paths")
    if not callable(model):
        raise ValueError(f"expected a network or a path, got {type(model).__name__}: pass one")


class Classifier:
    """Images ``(N, C, H, W)`` in [0, 1] -> logits ``(N, K)``; frozen, in evaluation mode.

    A module is copied, so the caller's own mode, gradients and memory format stay as they are;
    any other callable on a tensor is used as it is. A softmax or sigmoid whose result the model
    returns is left out; where it cannot be seen, ``output`` says what comes out (recognised when
    None), and a module that ends in probabilities runs in float64, where they saturate later.

    Attributes: ``input_shape`` (C, H, W), ``num_classes``, ``output`` (what the model answers
    after that), ``outputs`` (names of all its outputs that may be classes, the one that is taken
    first), ``device``, ``dtype`` (of images and logits), ``preprocessing``, ``name``,
    ``temperature`` (what logits are divided by: `triggerfish.model.temperature`),
    ``assumptions`` (what was guessed about the model), ``facts`` (what
    somebody said), ``class_names`` (in the order of the classes, empty when not known).

    Args:
        model: Maps a batch of inputs to logits, probabilities or log-probabilities ``(N, K)``.
        input_shape: ``(C, H, W)`` of an image.
        preprocessing: How an image in [0, 1] becomes an input; as it is when None.
        num_classes: How many classes there must be; whatever the model answers when None.
        output: What the model answers; recognized when None.
        part: Which of several outputs is scanned, ``logits`` or ``1``; found when None.
        device: Where it runs.
        dtype: Type of the images and logits.
        name: What to call it in messages.
        assumptions: What was guessed.
        facts: What somebody said, and who.
        class_names: What the classes are called; left out where it is another number of names.

    Raises:
        ValueError: A malformed ``input_shape``, or what is no model or no `Preprocessing`.
        UnsupportedModelError: A model that does not answer with one finite vector per image.

    Example:
        >>> import torch
        >>> import triggerfish as tf
        >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> classifier = tf.Classifier(network, input_shape=(1, 8, 8))
        >>> classifier.logits(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        model: nn.Module | Callable[[Tensor], object],
        input_shape: Sequence[int],
        *,
        preprocessing: Preprocessing | None = None,
        num_classes: int | None = None,
        output: OutputKind | None = None,
        part: str | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        name: str = "",
        assumptions: tuple[Assumption, ...] = (),
        facts: tuple[Fact, ...] = (),
        class_names: Sequence[str] = (),
    ) -> None:
        check_is_model(model)
        self.input_shape = image_shape(input_shape)
        self.preprocessing = check_preprocessing(preprocessing) or Preprocessing()
        self.device, self.dtype = torch.device(device), dtype
        self.name, self.assumptions, self.facts = name, assumptions, tuple(facts)
        self.temperature = 1.0
        if isinstance(model, nn.Module):
            model, stripped = without_probability_head(_frozen_copy(model, self.device, dtype))
            output = "logits" if stripped else output
        self.model = model
        self._place(dtype)
        grey = torch.full((1, *self.input_shape), 0.5)
        noise = torch.rand((_PROBES - 1, *self.input_shape), generator=torch.Generator())
        probes = torch.cat([grey, noise]).to(self.device, dtype)
        with _strangers_errors(self.input_shape), torch.no_grad():
            settled = settle(model, self.prepared(probes), part, output)
        self._check(settled.answers)
        self._calling, self.output = settled.calling, settled.output
        self.outputs = settled.classes
        if settled.others:
            self.facts += (
                Fact("output", settled.calling.part, "the model's answer"),
                Fact("outputs not scanned", settled.others, "the model's answer"),
            )
        self.num_classes = max(2, int(settled.answers.shape[1]))
        fitting = len(class_names) == self.num_classes
        self.class_names: tuple[str, ...] = tuple(class_names) if fitting else ()
        if num_classes is not None and num_classes != self.num_classes:
            raise UnsupportedModelError(
                f"expected logits of shape (N, {num_classes}), got (N, {self.num_classes}): "
                "pass the right number of classes or fix the model card"
            )
        if self.output in ("softmax", "sigmoid") and isinstance(model, nn.Module):
            self._refine(model, probes)

    @property
    def num_pixels(self) -> int:
        """Values an image holds, channels included."""
        return self.input_shape[0] * self.input_shape[1] * self.input_shape[2]

    def prepared(self, images: Tensor) -> Tensor:
        """What the model itself takes: images ``(N, C, H, W)`` in [0, 1] after preprocessing."""
        x = torch.addcmul(self._shift, images.to(self._scale.dtype), self._scale)
        return x.permute(0, 2, 3, 1) if self.preprocessing.channels_last else x

    def raw_output(self, images: Tensor) -> Tensor:
        """What the model itself answers to images ``(N, C, H, W)`` in [0, 1]: ``(N, K)``.

        Raises `UnsupportedModelError` for whatever the model raises: it is a stranger's code.
        """
        with _strangers_errors(self.input_shape):
            return self._calling(self.model, self.prepared(images))

    def logits(self, images: Tensor) -> Tensor:
        """Logits ``(N, K)`` of images ``(N, C, H, W)`` in [0, 1], up to a constant per row.

        Probabilities become log-probabilities, which are logits up to that constant; log-odds do
        not see it. Sigmoid outputs become the logit of each class on its own. A single output z
        is the logit of class 1 against class 0: (0, z).
        """
        logits = two_classes(to_logits(self.raw_output(images), self.output)).to(images.dtype)
        return logits if self.temperature == 1.0 else logits / self.temperature

    def saturated(self, images: Tensor) -> Tensor:
        """Rows (N,) of images whose log-odds are lost: a probability was rounded to 0 or 1."""
        with torch.no_grad():
            return is_saturated(self.raw_output(images), self.output)

    def _place(self, dtype: torch.dtype) -> None:
        scale, shift = self.preprocessing.affine(self.input_shape[0])
        self._scale, self._shift = scale.to(self.device, dtype), shift.to(self.device, dtype)

    def _refine(self, model: nn.Module, probes: Tensor) -> None:
        """Run in float64, where probabilities saturate later; not where constants forbid it."""
        self.model = model.double()
        self._place(torch.float64)
        try:
            with torch.no_grad():
                self.raw_output(probes)
        except UnsupportedModelError:
            self.model = model.to(self.dtype)
            self._place(self.dtype)

    def _check(self, y: Tensor) -> None:
        """Raise when the answers to the probes are no logits."""
        if y.ndim != 2 or y.shape[0] != _PROBES or y.shape[1] < 1:
            raise UnsupportedModelError(
                f"expected an output of shape (N, classes), got {tuple(y.shape)} "
                f"for {_PROBES} images: only classifiers can be scanned"
            )
        if not y.is_floating_point() or not bool(torch.isfinite(y).all()):
            raise UnsupportedModelError(
                "expected finite outputs, got NaN, infinity or integers for a grey image and "
                "noise: the weights or the preprocessing are broken"
            )


def _frozen_copy(model: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    with torch.no_grad():  # else the copy's parameters of a TorchScript module are no leaves
        model = copy.deepcopy(model)
    for parameter in model.parameters():  # requires_grad_() does not exist on TorchScript modules
        parameter.requires_grad = False
    return with_fast_input_gradient(model.to(device, dtype).eval())


@contextmanager
def _strangers_errors(input_shape: tuple[int, int, int]) -> Iterator[None]:
    """Whatever a stranger's model raises as one line, but for a lack of memory."""
    try:
        yield
    except UnsupportedModelError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise UnsupportedModelError(
            f"expected a model that takes images of shape {input_shape}, got an error "
            f"from it ({one_line(error, last=True)}): pass the right input shape"
        ) from error


def log_odds(logits: Tensor, target: Tensor) -> Tensor:
    """Log-odds of class ``target`` (N,) under ``logits`` (N, K): logit_y - logsumexp of the others.

    It is log(p / (1 - p)), computed without going through p: it does not saturate and does not
    change when a constant is added to all logits.
    """
    column = target.view(-1, 1)
    others = logits.scatter(1, column, float("-inf"))
    return logits.gather(1, column).squeeze(1) - others.logsumexp(1)
