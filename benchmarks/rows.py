"""What is kept of one scan of one model of known truth: a line of a file in results/detection.

One JSON file a detector, one line a model, so that a change can be read in git.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS
from triggerfish.files import write_atomically
from triggerfish.reproduce import ZOO_FOLDERS
from triggerfish.zoo.manifest import Entry

FOLDER = RESULTS / "detection"
SPLITS = ("development", "calibration", "held-out", "reporting", "published")
CLEAN = "clean"
"""The zoo's name where a split's folder holds clean models of the published recipe."""

Numbers = tuple[float | None, ...]


@dataclass(frozen=True)
class Row:
    """A model, the truth about it, and one detector's answer.

    ``zoo`` is the last part of the model's folder, ``attack`` the preset's name or None for a clean
    model; ``variety`` says what is special about a clean one. ``index`` and ``statistic`` (K,) are
    None where not measured; the statistic is kept so that other thresholds can be counted later.
    ``pairs`` are the (source, target) that an attack on pairs of classes moves, empty for others;
    ``sources`` (K,) the source that a detector of pairs suspects for each class.
    ``setup`` identifies the detector's settings and references: see `detection.setup_of`.
    """

    sha256: str
    setup: str
    data: str
    split: str
    zoo: str
    architecture: str
    attack: str | None
    targets: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    clean_accuracy: float
    attack_success_rate: float | None
    verdict: str
    flagged: tuple[int, ...]
    reference: str | None
    index: Numbers
    statistic: Numbers
    sources: Numbers | None
    p_value: float | None
    threshold: float | None
    reasons: tuple[str, ...]
    seconds: float

    @property
    def variety(self) -> str:
        """How a clean model was trained: a name of `VARIETIES`, ``published`` for as published."""
        return self.zoo.removeprefix("clean-") if self.zoo.startswith("clean-") else "published"

    @property
    def score(self) -> float:
        """How suspicious the model is: its largest index; -inf where nothing was measured."""
        return max((v for v in self.index if v is not None), default=-math.inf)

    @property
    def first(self) -> int | None:
        """The class with the largest index."""
        return None if self.score == -math.inf else self.index.index(self.score)


@dataclass(frozen=True)
class Model:
    """A model of a zoo: where it is, and what its manifest says."""

    path: Path
    folder: Path
    entry: Entry

    @property
    def key(self) -> str:
        """Its folder relative to the root, and its file."""
        return f"{self.folder.as_posix()}/{self.entry.file}"

    @property
    def split(self) -> str:
        """The folder below the data set's; ``published`` for the published three."""
        name = self.folder.parts[1]
        return "published" if name in ZOO_FOLDERS.values() else name

    def truth(self) -> dict[str, object]:
        """The fields of its `Row` that do not depend on a detector."""
        entry, name = self.entry, self.folder.name
        architecture = str(entry.recipe["architecture"])
        return {
            "sha256": entry.sha256,
            "data": self.folder.parts[0],
            "split": self.split,
            "zoo": CLEAN if len(self.folder.parts) == 2 and self.split != "published" else name,
            "architecture": architecture,
            "attack": name.removesuffix(f"-{architecture}") if entry.targets else None,
            "targets": entry.targets,
            "pairs": moved_pairs(entry.recipe.get("attack")),
            "clean_accuracy": entry.clean_accuracy,
            "attack_success_rate": entry.attack_success_rate,
        }


def moved_pairs(attack: Any) -> tuple[tuple[int, int], ...]:  # noqa: ANN401 - a part of a manifest
    """The (source, target) of an attack, as its settings in a recipe, that is about pairs."""
    name = attack["name"] if attack else None
    if name == "source-specific":
        return ((attack["source"], attack["target"]),)
    if name == "all-to-all":
        return tuple((k, (k + 1) % attack["classes"]) for k in range(attack["classes"]))
    return ()


def rounded(values: Iterable[float]) -> Numbers:
    """Five significant digits; None for NaN. Infinite values are kept."""
    return tuple(None if math.isnan(v) else float(f"{v:.5g}") for v in values)


def read_rows(detector: str, folder: Path = FOLDER) -> dict[str, Row]:
    """The rows of one detector so far, by `Model.key`."""
    path = folder / f"{detector}.json"
    if not path.is_file():
        return {}
    document: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return {
        key: Row(**{name: _read(value) for name, value in row.items()})
        for key, row in document.items()
    }


def write_rows(detector: str, rows: Mapping[str, Row], folder: Path = FOLDER) -> None:
    """Replace the file of one detector in one step."""
    lines = [f"{json.dumps(key)}: {_line(rows[key])}" for key in sorted(rows)]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{detector}.json", lambda path: path.write_text(text, "utf-8"))


def _line(row: Row) -> str:
    plain = {name: _plain(value) for name, value in asdict(row).items()}
    return json.dumps(plain, allow_nan=False, separators=(",", ":"))


def _plain(value: object) -> object:
    """JSON has no infinity: it is written as a string that ``float`` reads."""
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _read(value: object) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, list):
        return tuple(map(_read, value))
    return float(value) if isinstance(value, str) and value in ("inf", "-inf") else value
