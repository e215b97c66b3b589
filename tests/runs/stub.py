"""Work that takes no time: a made-up result for every model, the same every time."""

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from made_up import clean, found

from triggerfish.reports.artefacts import RESULT
from triggerfish.reports.json_report import render_result, stored
from triggerfish.results import Scanned, Skipped
from triggerfish.runs.model import Model, Source, find_models
from triggerfish.runs.outcome import Outcome
from triggerfish.scanning import ScanConfig

CONFIG = ScanConfig()
FLAGGED = "flagged"


def made_up_result(model: Model) -> Scanned | Skipped:
    """Flagged, unreadable, failed or clean, as the file's name says."""
    if "unreadable" in model.path.name:
        return Skipped(model.path, "expected A, got B", model.sha256, "unreadable")
    if "failed" in model.path.name:
        return Skipped(model.path, "expected an end, got none", model.sha256, "failed")
    result = found() if FLAGGED in model.path.name else clean()
    return replace(result, path=model.path, sha256=model.sha256)


@dataclass
class Stub:
    """``log`` is appended a line when a model is begun and one when it is done."""

    log: Path | None = None
    seconds: float = 0.0
    kept: bool = True
    size: int = 500

    def __call__(self, model: Model) -> Outcome:
        self._note("begin", model)
        time.sleep(self.seconds)
        self._note("end", model)
        return self.outcome(made_up_result(model))

    def outcome(self, result: Scanned | Skipped) -> Outcome:
        if not self.kept:
            return Outcome({}, (), result)
        files = (("notes.txt", os.fsencode(result.path) * self.size), (RESULT, text(result)))
        return Outcome(stored(result), files)

    def _note(self, what: str, model: Model) -> None:
        if self.log is not None:
            line = f"{time.monotonic()} {what} {os.getpid()} {model.path.name}\n"
            with self.log.open("a") as file:
                file.write(line)


def text(result: Scanned | Skipped) -> bytes:
    return render_result(result).encode()


def make_models(folder: Path, count: int, name: str = "model") -> list[Model]:
    """Files with a content each, as models."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        kind = f"-{FLAGGED}" if number % 5 == 0 else ""
        (folder / f"{name}-{number:04}{kind}.pt").write_text(f"{name} {number}")
    return find_models([Source(path) for path in sorted(folder.iterdir())], CONFIG)


def content(run: Path) -> tuple[list[str], dict[str, bytes]]:
    """The lines, sorted by key, and every file beside them."""
    lines = sorted((run / "results.jsonl").read_text().splitlines())
    for line in lines:
        json.loads(line)
    files = {
        str(file.relative_to(run)): file.read_bytes() for file in run.glob("*/*") if file.is_file()
    }
    return lines, files
