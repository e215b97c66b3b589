"""What is known about a model beside its weights, where it came from, and which source wins."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import OutputKind, Preprocessing
from triggerfish.results import Assumption, Fact

STATE_KEY = "state-key"
_ABOUT = ("source", "assumed")  # fields of `Hints` that are no knowledge of a model


@dataclass(frozen=True)
class Hints:
    """One source's knowledge of a model; None is "does not say".

    ``assumed`` marks what is only usual: everything it says is an assumption.
    ``input_shape`` is (C, H, W). ``mean``, ``std``, ``input_range`` and ``channels_last`` are as in
    `Preprocessing`, ``output`` is the kind of head, ``architecture`` a name that ``--arch`` takes.
    ``class_names`` are in the order of the classes. ``state_key`` is the one network to read of a
    file that holds several; no model card may say it.
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
    class_names: tuple[str, ...] | None = None
    state_key: str | None = None
    assumed: bool = False

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
    process without network. ``strict`` refuses a model about which anything has to be assumed.
    """

    given: Hints = field(default_factory=lambda: Hints("options"))
    device: str = "cpu"
    unsafe_pickle: bool = False
    strict: bool = False


@dataclass(frozen=True, eq=False)
class Settings:
    """Several `Hints`, the first that says something wins; remembers where each value came from."""

    sources: Sequence[Hints]

    def origin(self, name: str) -> str | None:
        """The source of the value of a field of `Hints`, None where no source says."""
        return next((s.source for s in self.sources if getattr(s, name) is not None), None)

    def merged(self, source: str = "merged") -> Hints:
        """One `Hints` with the winning values."""
        values: dict[str, object] = {}
        for name in (item.name for item in fields(Hints) if item.name not in _ABOUT):
            said = (getattr(s, name) for s in self.sources)
            values[name] = next((value for value in said if value is not None), None)
        return Hints(source, **values)  # type: ignore[arg-type]

    def known(self) -> Hints:
        """One `Hints` with what somebody said, without what is assumed."""
        return Settings([item for item in self.sources if not item.assumed]).merged("known")

    def preprocessing(self) -> Preprocessing:
        """The winning preprocessing; without a source it is the identity on [0, 1]."""
        hints, default = self.merged(), Preprocessing()
        return Preprocessing(
            mean=hints.mean or default.mean,
            std=hints.std or default.std,
            input_range=hints.input_range or default.input_range,
            channels_last=bool(hints.channels_last),
        )

    def assumptions(self) -> tuple[Assumption, ...]:
        """What is in force and was guessed, by the option that replaces it."""
        return tuple(
            Assumption(option, as_option(value), source.source)
            for option, value, source in self._in_force()
            if source.assumed
        )

    def facts(self) -> tuple[Fact, ...]:
        """What is in force and was said, by the option that would replace it."""
        return tuple(
            Fact(option, as_option(value), source.source)
            for option, value, source in self._in_force()
            if not source.assumed
        )

    def _in_force(self) -> Iterator[tuple[str, object, Hints]]:
        """Option, winning value and its source, of every field that a source speaks of."""
        for name, option in _OPTIONS.items():
            source = next((s for s in self.sources if getattr(s, name) is not None), None)
            if source is not None:
                yield option, getattr(source, name), source

    def pinned(self) -> str:
        """The options that say what is assumed, and of which network: ``--mean 0.5 --std 0.5``."""
        key = self.merged().state_key
        chosen = [] if key is None else [f"--{STATE_KEY} {key}"]
        return " ".join([*chosen, *(f"--{item.name} {item.value}" for item in self.assumptions())])


_OPTIONS = {
    "architecture": "arch",
    "arch_args": "arch-args",
    "input_shape": "input-shape",
    "mean": "mean",
    "std": "std",
    "input_range": "input-range",
    "channels_last": "channels-last",
    "num_classes": "num-classes",
    "output": "output-kind",
    "state_key": STATE_KEY,
}
"""Field of `Hints` -> option of the command line, without its dashes."""


def as_option(value: object) -> str:
    """A value as the command line takes it: ``0.485,0.456,0.406``; of several words quoted ones."""
    if isinstance(value, tuple):
        return ",".join(f"{item:g}" for item in value)
    if isinstance(value, Mapping):
        return shlex.join(f"{key}={item}" for key, item in value.items())
    return str(value)


def refuse_assumptions(settings: Settings, path: str) -> None:
    """Raise `UnsupportedModelError` when anything is assumed: for ``--strict``."""
    if assumed := settings.assumptions():
        names = ", ".join(f"{item.name} {item.value} ({item.because})" for item in assumed)
        raise UnsupportedModelError(
            f"--strict allows no guesses, and {names} would be guessed: say what is true with "
            f"{' '.join('--' + item.name for item in assumed)}, or triggerfish card init {path}"
        )


UNNAMED = re.compile(r"LABEL_\d+")
"""What transformers writes where the classes have no names."""
LONGEST = 200  # characters; more is no name

Names = tuple[str, ...]


def class_names(data: Mapping[str, object]) -> Names | None:
    """The names in their order, by the keys that are usual for them; None where there are none.

    ``id2label`` is that of Hugging Face, ``label_names`` timm's, ``class_to_idx`` that of
    torchvision's image folders.
    Whatever is no complete list of texts is left alone: it is not ours to judge.
    """
    for key, read in _KEYS.items():
        names = read(data[key]) if key in data else None
        if names and not all(map(UNNAMED.fullmatch, names)):
            return names
    return None


def _listed(value: object) -> Names | None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    names = tuple(item for item in value if isinstance(item, str) and len(item) <= LONGEST)
    return names if len(names) == len(value) else None


def _by_number(value: object) -> Names | None:
    """Of ``{0: "cat", "1": "dog"}``."""
    if not isinstance(value, Mapping):
        return None
    found = {str(key): name for key, name in value.items()}
    return _listed([found.get(str(number)) for number in range(len(found))])


def _by_name(value: object) -> Names | None:
    """Of ``{"cat": 0, "dog": 1}``."""
    if not isinstance(value, Mapping):
        return None
    numbered = value.items()
    return _by_number({number: name for name, number in numbered if isinstance(number, int)})


_KEYS: dict[str, Callable[[object], Names | None]] = {
    "class_names": _listed,
    "classes": _listed,
    "label_names": _listed,
    "id2label": _by_number,
    "idx_to_class": _by_number,
    "class_to_idx": _by_name,
}
