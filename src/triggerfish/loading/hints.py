"""What is known about a model beside its weights, where it came from, and which source wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, OutputKind, Preprocessing


@dataclass(frozen=True)
class Hints:
    """One source's knowledge of a model; None is "does not say".

    ``input_shape`` is (C, H, W). ``mean``, ``std``, ``input_range`` and ``channels_last`` are as in
    `Preprocessing`, ``output`` is the kind of head, ``architecture`` a name that ``--arch`` takes.
    """

    source: str
    architecture: str | None = None
    arch_args: Mapping[str, object] | None = None
    input_shape: tuple[int, int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    input_range: tuple[float, float] | None = None
    channels_last: bool | None = None
    num_classes: int | None = None
    output: OutputKind | None = None

    def with_preprocessing(self, preprocessing: Preprocessing | None) -> Hints:
        """These hints with all four preprocessing fields taken from ``preprocessing``."""
        if preprocessing is None:
            return self
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values.update(
            {item.name: getattr(preprocessing, item.name) for item in fields(preprocessing)}
        )
        return Hints(**values)


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model: what the user knows about it, where it runs, which risks are taken.

    ``unsafe_pickle`` allows to unpickle a whole module, which runs code from the file, in a child
    process without network.
    """

    given: Hints = field(default_factory=lambda: Hints("options"))
    device: str = "cpu"
    unsafe_pickle: bool = False


class Settings:
    """Several `Hints`, the first that says something wins; remembers where each value came from."""

    def __init__(self, sources: Sequence[Hints]) -> None:
        self._sources = tuple(sources)

    def origin(self, name: str) -> str | None:
        """The source of the value of a field of `Hints`, None when nobody says."""
        return next((s.source for s in self._sources if getattr(s, name) is not None), None)

    def merged(self, source: str = "merged") -> Hints:
        """One `Hints` with the winning values."""
        values: dict[str, object] = {}
        for name in (item.name for item in fields(Hints) if item.name != "source"):
            said = (getattr(s, name) for s in self._sources)
            values[name] = next((value for value in said if value is not None), None)
        return Hints(source, **values)  # type: ignore[arg-type]

    def preprocessing(self) -> Preprocessing:
        """The winning preprocessing; what nobody says is the identity on [0, 1]."""
        hints, default = self.merged(), Preprocessing()
        return Preprocessing(
            mean=hints.mean or default.mean,
            std=hints.std or default.std,
            input_range=hints.input_range or default.input_range,
            channels_last=bool(hints.channels_last),
        )


def default_hints(input_shape: tuple[int, int, int]) -> Hints:
    """What is assumed when nobody says: the MNIST constants for 1x28x28, the identity elsewhere."""
    if input_shape == (1, 28, 28):
        return Hints("default for 1x28x28 (MNIST)", mean=(MNIST_MEAN,), std=(MNIST_STD,))
    return Hints("default ([0, 1], not normalised)", mean=(0.0,), std=(1.0,))
