"""The tables of docs/detection-quality.md, from the rows in results/detection.

All but the last count valid models only (`criteria.is_valid`), and all leave out what constants
were chosen on. Clean models to compare attacked ones with are those of the same architectures with
the same training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter

import numpy as np

from benchmarks.criteria import (
    PAIRWISE_ATTACKS,
    REPORTED,
    Accuracies,
    attack_name,
    clean_accuracies,
    exactly_the_truth,
    is_standard,
    is_valid,
    named_right,
    pair_first,
    target_first,
)
from benchmarks.markdown import markdown, rate, rate_of
from benchmarks.quality import Array, auroc, auroc_interval, detected_at_fpr
from benchmarks.rows import FOLDER, Row, read_rows
from triggerfish.levels import LEVELS
from triggerfish.reproduce import ZOO_FOLDERS
from triggerfish.zoo.factory import MIN_SUCCESS

OURS, PAIRWISE = "min-norm", "pairwise-norm"
ORDER = ("ensemble", OURS, PAIRWISE, "published", "mm-bd", "last-layer", "neural-cleanse")
_NEW = len(ORDER)

Rows = Sequence[Row]

FIXED = LEVELS["min-norm", "target", "fixed"]


@dataclass(frozen=True)
class Results:
    """Reported rows by detector, in the order of the tables: those that count, and the others."""

    valid: Mapping[str, Rows]
    invalid: Mapping[str, Rows]
    accuracies: Accuracies


@lru_cache(maxsize=1)
def results() -> Results:
    """What is on disk."""
    names = sorted((path.stem for path in FOLDER.glob("*.json")), key=_place)
    return sort_out({name: read_rows(name).values() for name in names})


def sort_out(rows: Mapping[str, Iterable[Row]]) -> Results:
    """Leave out the splits that are not reported, and tell valid models from others."""
    reported = {name: [r for r in found if r.split in REPORTED] for name, found in rows.items()}
    accuracies = clean_accuracies(row for found in reported.values() for row in found)

    def only(*, valid: bool) -> dict[str, Rows]:
        return {
            name: [row for row in found if is_valid(row, accuracies) is valid]
            for name, found in reported.items()
        }

    return Results(only(valid=True), only(valid=False), accuracies)


def separation(found: Results) -> str:
    """Every detector by its scores alone, whatever its threshold."""
    lines = []
    for data, name, clean, attacked in _side_by_side(found):
        lows, highs = _scores(clean), _scores(attacked)
        rates = [rate(detected_at_fpr(lows, highs, fpr), len(highs)) for fpr in (0.01, 0.05)]
        seconds = np.median([row.seconds for row in (*clean, *attacked)])
        counts = (len(clean), len(attacked))
        first = rate_of(target_first, attacked)
        lines.append((data, name, *counts, _auroc(lows, highs), *rates, first, f"{seconds:.2g}"))
    header = (
        "data", "detector", "clean", "attacked", "AUROC", "TPR at 1 % FPR", "TPR at 5 % FPR",
        "target first", "seconds a model",
    )  # fmt: skip
    return markdown(header, lines)


def verdicts(found: Results) -> str:
    """Every detector at the threshold it ships with."""
    lines = []
    for data, name, clean, attacked in _side_by_side(found):
        detected = [row for row in attacked if row.flagged]
        calibrated = sum(row.reference is not None for row in (*clean, *attacked))
        lines.append(
            (
                data,
                name,
                f"{calibrated} of {len(clean) + len(attacked)}",
                rate_of(_flagged, clean),
                rate_of(_flagged, attacked),
                rate_of(named_right, detected),
                rate_of(exactly_the_truth, [*clean, *attacked]),
                sum(row.verdict == "inconclusive" for row in (*clean, *attacked)),
            )
        )
    header = (
        "data", "detector", "calibrated", "false positives", "detected",
        "only targets named, of the detected", "exactly the truth", "inconclusive",
    )  # fmt: skip
    return markdown(header, lines)


def brief(found: Results) -> str:
    """Ours in short: with the reference that ships, and as if there were none."""
    lines = []
    rows = [row for row in found.valid.get(OURS, ()) if row.reference is not None]
    attacked = [row for row in rows if row.attack not in (None, *PAIRWISE_ATTACKS)]
    for (data, architecture), models in _by_network(attacked):
        clean = _clean_like(rows, data, {architecture})
        lines.append(
            (
                data,
                architecture,
                rate_of(_flagged, clean),
                rate_of(_flagged, models),
                rate_of(_passes_fixed_threshold, clean),
                rate_of(_passes_fixed_threshold, models),
            )
        )
    header = (
        "data", "network", "clean flagged", "backdoored found", "clean flagged, uncalibrated",
        "found, uncalibrated",
    )  # fmt: skip
    return markdown(header, lines)


def uncalibrated(found: Results) -> str:
    """Ours by the fixed threshold alone, as on a network that no reference is for."""
    rows = [row for row in found.valid.get(OURS, ()) if row.attack not in PAIRWISE_ATTACKS]
    lines = []
    for (data, architecture), models in _by_network(rows):
        clean = [row for row in models if not row.targets]
        attacked = [row for row in models if row.targets]
        detected = [row for row in attacked if _passes_fixed_threshold(row)]
        lines.append(
            (
                data,
                architecture,
                rate_of(_passes_fixed_threshold, clean),
                rate_of(_is_doubtful, clean),
                rate_of(_passes_fixed_threshold, attacked),
                rate_of(_is_doubtful, attacked),
                rate_of(_fixed_threshold_names_right, detected),
            )
        )
    header = (
        "data", "architecture", "clean: flagged", "clean: inconclusive", "attacked: flagged",
        "attacked: inconclusive", "only targets named, of the flagged",
    )  # fmt: skip
    return markdown(header, lines)


def _above_fixed_threshold(row: Row) -> set[int]:
    return _above(row, FIXED.flag_at)


def _above(row: Row, level: float | None) -> set[int]:
    assert level is not None
    return {k for k, v in enumerate(row.statistic) if v is not None and v > level}


def _passes_fixed_threshold(row: Row) -> bool:
    return bool(_above_fixed_threshold(row))


def _is_doubtful(row: Row) -> bool:
    return not _passes_fixed_threshold(row) and bool(_above(row, FIXED.suspect_at))


def _fixed_threshold_names_right(row: Row) -> bool:
    return _above_fixed_threshold(row) <= set(row.targets)


def p_values(found: Results) -> str:
    """How often clean models get a small calibrated p-value: no more than its own size, if true."""
    lines = []
    for name, rows in found.valid.items():
        clean = [row for row in rows if is_standard(row) and row.reference is not None]
        for kind in dict.fromkeys((row.data, row.architecture) for row in clean):
            p = [row.p_value or 1.0 for row in clean if (row.data, row.architecture) == kind]
            cells = [rate(sum(v <= level for v in p), len(p)) for level in (0.01, 0.05, 0.1)]
            lines.append((*kind, name, *cells))
    return markdown(
        ("data", "architecture", "detector", "p <= 0.01", "p <= 0.05", "p <= 0.1"), lines
    )


def attacks(found: Results) -> str:
    """Our detector attack by attack, against clean models of the same architecture."""
    lines = []
    rows = found.valid.get(OURS, ())
    attacked = [row for row in rows if row.attack not in (None, *PAIRWISE_ATTACKS)]
    groups = [*_by_attack(attacked)]
    for key, models in _by_network(attacked):
        if len({row.attack for row in models}) > 1:
            groups.append(((*key, "all together"), models))
    for (data, architecture, name), models in sorted(groups, key=itemgetter(0)):
        clean = _clean_like(rows, data, {architecture})
        detected = [row for row in models if row.flagged]
        lines.append(
            (
                data,
                architecture,
                name,
                _auroc(_scores(clean), _scores(models)),
                rate_of(_flagged, models),
                rate_of(target_first, models),
                rate_of(named_right, detected),
            )
        )
    header = (
        "data", "architecture", "attack", "AUROC", "detected", "target first",
        "only targets named, of the detected",
    )  # fmt: skip
    return markdown(header, lines)


def published_folders(found: Results) -> str:
    """The three published folders by the published criterion."""
    lines = []
    for name, rows in found.valid.items():
        for kind, folder in ZOO_FOLDERS.items():
            models = [row for row in rows if row.zoo == folder]
            if models:
                among = "-" if kind == "clean" else rate_of(_target_among, models)
                lines.append((name, kind, rate_of(exactly_the_truth, models), among))
    header = ("detector", "folder", "correct by the published criterion", "target among the flags")
    return markdown(header, lines)


def clean_varieties(found: Results) -> str:
    """How many clean models each detector flags, by how they were trained."""
    lines = []
    kinds = dict.fromkeys(
        (r.data, r.variety) for rows in found.valid.values() for r in rows if r.attack is None
    )
    for data in dict.fromkeys(data for data, _ in kinds):
        varieties = [(variety,) for d, variety in kinds if d == data]
        every = tuple(name for (name,) in varieties)
        for label, names in [*((name[0], name) for name in varieties), ("all", every)]:
            clean = [_of_varieties(rows, data, names) for rows in found.valid.values()]
            cells = [rate_of(_flagged, models) for models in clean]
            lines.append((data, label, *cells))
    return markdown(("data", "trained", *found.valid), lines)


def pairs(found: Results) -> str:
    """Attacks that only pairs of classes show, and what the detectors do on them."""
    lines = []
    for name in (name for name in (OURS, PAIRWISE) if name in found.valid):
        rows = found.valid[name]
        for (data, architecture, attack), models in _by_attack(rows):
            if attack not in PAIRWISE_ATTACKS:
                continue
            clean = _clean_like(rows, data, {architecture})
            first = "-" if attack == "all-to-all" else rate_of(target_first, models)
            area = _auroc(_scores(clean), _scores(models))
            flags = (rate_of(_flagged, models), rate_of(_flagged, clean))
            pair = "-" if name == OURS else rate_of(pair_first, models)
            lines.append((data, architecture, attack, name, area, *flags, first, pair))
    header = (
        "data", "network", "attack", "detector", "AUROC", "detected", "false positives",
        "target first", "pair first",
    )  # fmt: skip
    return markdown(header, sorted(lines, key=itemgetter(0, 1, 2)))


def invalid(found: Results) -> str:
    """Models that do not count, and why; what our detector says of them all the same."""
    lines = []
    for (data, architecture, name), models in _by_attack(found.invalid.get(OURS, ())):
        success = [row.attack_success_rate or 0.0 for row in models]
        usual = found.accuracies.get((data, architecture), np.nan)
        loss = [100 * (usual - row.clean_accuracy) for row in models]
        weak = sum(value < MIN_SUCCESS for value in success)
        lines.append(
            (
                data,
                architecture,
                name,
                len(models),
                weak,
                f"{min(success):.3f} to {max(success):.3f}",
                f"{min(loss):.1f} to {max(loss):.1f}",
                rate_of(_flagged, models),
                "-" if name == "all-to-all" else rate_of(target_first, models),
            )
        )
    header = (
        "data", "architecture", "attack", "models", "ASR below 0.95", "ASR",
        "points below clean accuracy", "detected", "target first",
    )  # fmt: skip
    return markdown(header, lines)


def _side_by_side(found: Results) -> Iterable[tuple[str, str, list[Row], list[Row]]]:
    """Data set, detector, clean and attacked models, all attacks but the pairwise ones together."""
    for data in dict.fromkeys(row.data for rows in found.valid.values() for row in rows):
        for name, rows in found.valid.items():
            of_data = [row for row in rows if row.data == data]
            attacked = [row for row in of_data if row.attack not in (None, *PAIRWISE_ATTACKS)]
            clean = _clean_like(rows, data, {row.architecture for row in attacked})
            if clean and attacked:
                yield data, name, clean, attacked


def _by_attack(rows: Iterable[Row]) -> Iterable[tuple[tuple[str, str, str], list[Row]]]:
    """The attacked models by data set, architecture and attack."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row.attack is not None:
            key = (row.data, row.architecture, attack_name(row))
            groups.setdefault(key, []).append(row)
    return sorted(groups.items(), key=lambda item: item[0])


def _by_network(rows: Sequence[Row]) -> Iterable[tuple[tuple[str, str], list[Row]]]:
    """The models by data set and architecture."""
    for key in sorted({(row.data, row.architecture) for row in rows}):
        yield key, [row for row in rows if (row.data, row.architecture) == key]


def _clean_like(rows: Iterable[Row], data: str, architectures: Iterable[str]) -> list[Row]:
    wanted = set(architectures)
    return [
        row for row in rows if is_standard(row) and row.data == data and row.architecture in wanted
    ]


def _of_varieties(rows: Iterable[Row], data: str, names: Sequence[str]) -> list[Row]:
    return [row for row in rows if row.attack is None and row.data == data and row.variety in names]


def _flagged(row: Row) -> bool:
    return bool(row.flagged)


def _target_among(row: Row) -> bool:
    return bool(set(row.flagged) & set(row.targets))


def _scores(rows: Iterable[Row]) -> Array:
    return np.array([row.score for row in rows], dtype=np.float64)


def _auroc(clean: Array, attacked: Array) -> str:
    if not len(clean) or not len(attacked):
        return "-"
    low, high = auroc_interval(clean, attacked)
    return f"{auroc(clean, attacked):.3f} ({low:.3f}-{high:.3f})"


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else _NEW, name)
