"""What comes back from wherever a model was scanned: plain data and bytes, never tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from triggerfish.devices import choose_device
from triggerfish.errors import TriggerfishError, described
from triggerfish.loading import LoadOptions, Reading
from triggerfish.model.classifier import Classifier
from triggerfish.reports.artefacts import render_artefacts
from triggerfish.reports.json_report import stored
from triggerfish.results import Scanned, Skipped
from triggerfish.runs.model import Model
from triggerfish.runs.paths import scan_path
from triggerfish.scanning import ScanConfig
from triggerfish.trial import is_flagged, with_trials

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


@dataclass(frozen=True)
class Work:
    """What is done to each model, in a process or on a machine of its own: picklable.

    ``load`` opens a model by its options; ``complete`` adds to a result what the caller knows.
    On the pictures in ``images`` every perturbation to a flagged class is tried.
    """

    config: ScanConfig
    load: Callable[[LoadOptions, Path], Classifier | Sequence[Reading]]
    complete: Callable[[Result], Result] = as_it_is
    kept: bool = True
    images: Path | None = None

    def __call__(self, model: Model) -> Outcome:
        """Scan it; never raises."""
        load = partial(self._open, model.options)
        return self.outcome(scan_path(model.path, self.config, load, self._tried))

    def _tried(self, result: Scanned, classifier: Classifier) -> Scanned:
        """The result of one reading with its perturbations tried; a note where that fails.

        The scan stands whatever the pictures provoke.
        """
        if self.images is None or not is_flagged(result):
            return result
        try:
            return with_trials(result, classifier, self.images)
        except Exception as error:
            said = str(error) if isinstance(error, TriggerfishError) else described(error)
            notes = (*result.verdict.notes, f"not tried on pictures of your own: {said}")
            return replace(result, verdict=replace(result.verdict, notes=notes))

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
