"""What comes back from wherever a model was scanned: plain data and bytes, never tensors."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from triggerfish.loading import LoadOptions, Reading, open_model
from triggerfish.model.classifier import Classifier
from triggerfish.reports.artefacts import render_artefacts
from triggerfish.reports.json_report import stored
from triggerfish.results import Scanned, Skipped
from triggerfish.runs.model import Model
from triggerfish.runs.paths import scan_path
from triggerfish.runtime import choose_device, one_thread
from triggerfish.scanning import ScanConfig
from triggerfish.structure.opening import open_any


@dataclass(frozen=True)
class Complete:
    """Names of the classes, and the words of the command without its paths, where there was one."""

    class_names: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def __call__(self, result: Scanned | Skipped) -> Scanned | Skipped:
        """The result with the names of its classes and the command that repeats its scan."""
        if isinstance(result, Skipped):
            return result
        result = _named(result, self.class_names)
        if not self.command:
            return result
        return replace(result, command=shlex.join([*self.command, str(result.path)]))


def _named(result: Scanned, names: tuple[str, ...]) -> Scanned:
    """The result with the user's names of the classes, where there are as many."""
    count = len(result.scores.status)
    if len(names) == count:
        return replace(result, class_names=names)
    if not names:
        return result
    note = f"--class-names has {len(names)} names for {count} classes: they are not used"
    return replace(result, verdict=replace(result.verdict, notes=(*result.verdict.notes, note)))


Files = tuple[tuple[str, bytes], ...]
Result = Scanned | Skipped


@dataclass(frozen=True)
class Outcome:
    """A model's line and its files; or, where nothing is kept, the result itself."""

    document: dict[str, Any]
    files: Files = ()
    result: Result | None = None


def as_it_is(result: Result) -> Result:
    """Complete a result by nothing."""
    return result


def load_readings(options: LoadOptions, path: Path) -> tuple[Reading, ...]:
    """Every plausible reading of a file; at the top level, so that worker processes find it."""
    return open_any(path, options)


def load_likeliest(options: LoadOptions, path: Path) -> Classifier:
    """The likeliest reading alone, for models that are known."""
    return open_model(path, options).classifier


@dataclass(frozen=True)
class Work:
    """What is done to each model, in a process or on a machine of its own: picklable.

    ``load`` opens a model by its options; ``complete`` adds to a result what the caller knows.
    On the pictures in ``images`` every perturbation to a flagged class is tried.
    """

    config: ScanConfig
    load: Callable[[LoadOptions, Path], Classifier | Sequence[Reading]] = load_readings
    complete: Callable[[Result], Result] = as_it_is
    kept: bool = True
    images: Path | None = None

    def __call__(self, model: Model) -> Outcome:
        """Scan it; never raises."""
        load = partial(self._open, model.options)
        with one_thread():
            return self.outcome(scan_path(model.path, self.config, load, self.images))

    def _open(self, options: LoadOptions, path: Path) -> Classifier | Sequence[Reading]:
        """Here it is known what devices there are, on a cluster not before."""
        return self.load(replace(options, device=choose_device(options.device)), path)

    def outcome(self, result: Result) -> Outcome:
        """A result in the form in which it travels."""
        result = self.complete(result)
        if not self.kept:
            return Outcome({}, (), result)
        return Outcome(stored(result), files_of(result))


def files_of(result: Result) -> Files:
    """The files of a result."""
    return tuple(render_artefacts(result))
