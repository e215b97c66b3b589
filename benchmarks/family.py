"""Which evidence a verdict is made of: candidates, one threshold each, counted on groups left out.

    python -m benchmarks.family [--rows strangers --rows zoo-choose] [--write]

Reads what `measure` wrote to results/family. A candidate is a score per class. Its threshold is
the one that one clean network in fifty passes, taken from the clean networks of four fifths of the
groups (an author, or a task) and counted on the other fifth. Tables on standard output. With
``--write`` the largest score of each clean network goes into the package: a report says beside a
flag how many of them score as high.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest

import triggerfish
from benchmarks.lines import read_lines
from benchmarks.measure import FOLDER
from triggerfish.levels import level_of, sure_test
from triggerfish.results import BASES
from triggerfish.statistics.scores import sure_score

Array = NDArray[np.float64]
Row = dict[str, Any]
Score = Callable[[Row], Array]
RATE = 0.02  # of clean networks, that a threshold lets pass
FOLDS = 5
KINDS = ("2", "3-5", "6-12", "13+")
ROWS = ("strangers", "zoo-choose")
TRIGGERS = {
    "white": "a patch", "check": "a patch", "rand5": "a patch", "rand3": "a patch",
    "grey": "a patch", "colours": "a patch",
    "pix4": "a few scattered pixels", "scattered": "a few scattered pixels",
    "sig": "a wave over the whole image", "wave": "a wave over the whole image",
    "noise": "noise over the whole image",
    "pic": "a blended image", "blended": "a blended image",
}  # fmt: skip
"""Parts of a trigger's name -> what it is; the first that occurs counts."""
CLEAN_SCORES = Path(triggerfish.__file__).parent / "data" / "clean_scores.json"


def values(row: Row, name: str) -> Array:
    """A vector over classes (K,), NaN where not measured."""
    return np.array([np.nan if v is None else v for v in row[name]], np.float64)


def log_sizes(row: Row, basis: str) -> Array:
    """The logarithms of the sizes (K,), in whole pixels' ranges: of all channels together."""
    return np.asarray(np.log(values(row, basis) / row["shape"][0]), np.float64)


def ratio(row: Row, basis: str) -> Array:
    """``log(median of the other classes / size)`` (K,)."""
    logs = log_sizes(row, basis)
    found = np.full(len(logs), np.nan)
    for k in range(len(logs)):
        others = np.delete(logs, k)
        if np.isfinite(others).any():
            found[k] = np.nanmedian(others) - logs[k]
    return found


def absolute(row: Row, basis: str, exponent: float = 1.0) -> Array:
    """``-log(size)`` in pixels (K,), for an image of 32 pixels' side."""
    side = (row["shape"][1] * row["shape"][2]) ** 0.5
    return np.asarray(-(log_sizes(row, basis) - exponent * np.log(side / 32)), np.float64)


def margins(row: Row) -> Array:
    """``log(margin / median)`` (K,), at most 1."""
    found = values(row, "margin")
    median = np.nanmedian(found)
    if not median > 0:
        return np.zeros_like(found)
    return np.minimum(np.log(np.maximum(found, 0.05 * median) / median), 1.0)


def untargeted(row: Row) -> Array:
    """The size towards a class beside that of any change of class (K,)."""
    if row["untargeted"] is None:
        return np.full(row["classes"], np.nan)
    return np.asarray(np.log(row["untargeted"]) - np.log(values(row, "pixel")), np.float64)


def pseudo(row: Row) -> Array:
    """``log(median of pseudo-classes / size)`` (K,)."""
    null = np.array([v for v in row.get("pseudo", ()) if v is not None], np.float64)
    if not len(null):
        return np.full(row["classes"], np.nan)
    return np.asarray(np.log(np.median(null)) - np.log(values(row, "pixel")), np.float64)


def mixed(*parts: tuple[float, Score]) -> Score:
    """A weighted sum; a part that was not measured counts 0."""
    return lambda row: sum(
        (w * np.nan_to_num(part(row)) for w, part in parts), np.zeros(row["classes"])
    )


def largest(*parts: Score) -> Score:
    """The largest of several."""
    return lambda row: np.nanmax([np.nan_to_num(p(row), nan=-9.0) for p in parts], axis=0)


def pixel_ratio(row: Row) -> Array:
    """The ratio in the pixel basis."""
    return ratio(row, "pixel")


def pixel_size(row: Row) -> Array:
    """The absolute size in the pixel basis."""
    return absolute(row, "pixel")


def wave_ratio(row: Row) -> Array:
    """The ratio in the frequency basis."""
    return ratio(row, "frequency")


def wave_size(row: Row) -> Array:
    """``-log`` of the absolute size in the frequency basis, as the height of a single wave (K,)."""
    return np.asarray(-np.log(values(row, "frequency") / np.prod(row["shape"]) ** 0.5), np.float64)


def share_of(row: Row) -> Array:
    """``log`` of the share of synthetic images that are the class already (K,)."""
    return np.log(values(row, "share") + 0.01)


def _of(part: Callable[[Row, str], Array], name: str) -> Score:
    return lambda row: part(row, name)


def wave(row: Row, name: str) -> Array:
    """``-log`` of the absolute size in the frequency basis, as the height of a single wave (K,)."""
    return np.asarray(-np.log(values(row, name) / np.prod(row["shape"]) ** 0.5), np.float64)


SURE_RATIO, SURE_SIZE = _of(ratio, "pixel_sure"), _of(absolute, "pixel_sure")
SURE_WAVE, SURE_WAVE_SIZE = _of(ratio, "frequency_sure"), _of(wave, "frequency_sure")

CANDIDATES: dict[str, Score] = {
    "pixel ratio": pixel_ratio,
    "pixel size": pixel_size,
    "pixel ratio + size/2": mixed((1, pixel_ratio), (0.5, pixel_size)),
    "pixel ratio + size": mixed((1, pixel_ratio), (1, pixel_size)),
    "frequency ratio": wave_ratio,
    "frequency size": wave_size,
    "frequency ratio + size/2": mixed((1, wave_ratio), (0.5, wave_size)),
    "margin": margins,
    "beside untargeted": untargeted,
    "beside pseudo-classes": pseudo,
    "pixel + margin/2": mixed((1, pixel_ratio), (0.5, pixel_size), (0.5, margins)),
    "sure: ratio": SURE_RATIO,
    "sure: size": SURE_SIZE,
    "sure: ratio + size/2": mixed((1, SURE_RATIO), (0.5, SURE_SIZE)),
    "sure: ratio + size": mixed((1, SURE_RATIO), (1, SURE_SIZE)),
    "sure: ratio/2 + size": mixed((0.5, SURE_RATIO), (1, SURE_SIZE)),
    "sure: frequency ratio": SURE_WAVE,
    "sure: frequency ratio + size": mixed((1, SURE_WAVE), (1, SURE_WAVE_SIZE)),
}


def sure(row: Row) -> Array:
    """The score of a scan's search on sure images, as it ships (K,)."""
    pixel, frequency = (torch.from_numpy(values(row, f"{b}_sure")) for b in BASES)
    channels, height, width = row["shape"]
    return sure_score(pixel, frequency, (channels, height, width)).numpy()


CANDIDATES = {**CANDIDATES, "sure: as shipped": sure}


@dataclass(frozen=True)
class Count:
    """How a candidate does on some networks."""

    clean: int
    attacked: int
    auroc: float
    first: float
    flagged: float
    named: float


def kind_of(row: Row) -> str:
    """The table's line for a number of classes."""
    k = row["classes"]
    return KINDS[0] if k == 2 else KINDS[1] if k < 6 else KINDS[2] if k < 13 else KINDS[3]


def single(row: Row) -> bool:
    """Whether the network has one target, for images of any class."""
    return bool(row["attacked"] and row["way"].endswith("all-to-one"))


def fold_of(row: Row) -> int:
    """By the group, so that no group is in two."""
    return hashlib.sha256(row["group"].encode()).digest()[0] % FOLDS


def quantile(scores: Sequence[float]) -> float:
    """What one in fifty of the scores passes; infinite without scores."""
    return float(np.quantile(scores, 1 - RATE)) if scores else float("inf")


def auroc(attacked: Array, clean: Array) -> float:
    """The chance that an attacked network scores higher than a clean one."""
    if not len(attacked) or not len(clean):
        return float("nan")
    above = (attacked[:, None] > clean).mean() + 0.5 * (attacked[:, None] == clean).mean()
    return float(above)


def count(rows: Sequence[Row], score: Score) -> Count:
    """The candidate on the clean and the single-target networks of ``rows``."""
    clean = [r for r in rows if not r["attacked"]]
    attacked = [r for r in rows if single(r)]
    best = {r["id"]: _best(score(r)) for r in (*clean, *attacked)}
    flagged, named = list[bool](), list[bool]()
    for fold in range(FOLDS):
        level = quantile([best[r["id"]][0] for r in clean if fold_of(r) != fold])
        flagged += [best[r["id"]][0] > level for r in clean if fold_of(r) == fold]
        named += [
            best[r["id"]][0] > level and best[r["id"]][1] in r["targets"]
            for r in attacked
            if fold_of(r) == fold
        ]
    return Count(
        len(clean),
        len(attacked),
        auroc(*(np.array([best[r["id"]][0] for r in some]) for some in (attacked, clean))),
        float(
            np.mean([best[r["id"]][1] in r["targets"] for r in attacked]) if attacked else np.nan
        ),
        float(np.mean(flagged) if flagged else np.nan),
        float(np.mean(named) if named else np.nan),
    )


def _best(scores: Array) -> tuple[float, int]:
    scores = np.where(np.isfinite(scores), scores, -9.0)
    k = int(scores.argmax())
    return float(scores[k]), k


def table(rows: Sequence[Row]) -> str:
    """All candidates on some networks, as Markdown."""
    lines = [
        "| candidate | AUROC | target first | clean flagged | named |",
        "|---|---|---|---|---|",
    ]
    for name, score in CANDIDATES.items():
        c = count(rows, score)
        lines.append(
            f"| {name} | {c.auroc:.3f} | {c.first:.2f} | {c.flagged:.2f} | {c.named:.2f} |"
        )
    return "\n".join(lines)


def shipped(rows: Sequence[Row]) -> str:
    """What the search on sure images alone says, by number of classes, as Markdown."""
    lines = [
        "| classes | clean | flagged (95 %) | between | attacked | named | between | AUROC |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, low, high in (("3", 3, 3), ("4-5", 4, 5), ("6 and more", 6, 10**6)):
        some = [r for r in rows if low <= r["classes"] <= high]
        clean, attacked = [r for r in some if not r["attacked"]], [r for r in some if single(r)]
        answers = [[_answer(r) for r in group] for group in (clean, attacked)]
        flagged, between = [sum(a == w for a in answers[0]) for w in ("flagged", "between")]
        named = sum(
            a == "flagged" and _best(sure(r))[1] in r["targets"]
            for a, r in zip(answers[1], attacked, strict=True)
        )
        scores = [np.array([_best(sure(r))[0] for r in group]) for group in (clean, attacked)]
        lines.append(
            f"| {name} | {len(clean)} | {flagged} ({interval(flagged, len(clean))}) | {between} | "
            f"{len(attacked)} | {named} | {answers[1].count('between')} | "
            f"{auroc(scores[1], scores[0]):.3f} |"
        )
    return "\n".join(lines)


def by_attack(rows: Sequence[Row]) -> str:
    """What that search says of attacks with one target, from four classes on, as Markdown."""
    lines = ["| attack | networks | named | suspected | not seen | |", "|---|---|---|---|---|---|"]
    rows = [r for r in rows if single(r) and r["classes"] > 3]
    kinds = dict.fromkeys(kind for kind in TRIGGERS.values())
    for kind in kinds:
        some = [r for r in rows if attack_of(r) == kind]
        found = [_outcome(r) for r in some]
        named, low = found.count("named"), found.count("low")
        share = named / len(some) if some else 0.0
        word = "seen" if share > 2 / 3 else "often missed" if share > 0 else "not seen"
        lines.append(
            f"| {kind} | {len(some)} | {named} | {len(some) - named - low} | {low} | {word} |"
        )
    return "\n".join(lines)


def _outcome(row: Row) -> str:
    """What is said of an attacked network: named is the target and no other class."""
    right = _best(sure(row))[1] in row["targets"]
    return "named" if right and _answer(row) == "flagged" else _answer(row)


def attack_of(row: Row) -> str:
    """The kind of an attack with one target, by its trigger."""
    return next(kind for name, kind in TRIGGERS.items() if name in row["trigger"])


def _answer(row: Row) -> str:
    level = level_of(sure_test(row["classes"]), "target", "outliers")
    assert level is not None
    assert level.suspect_at is not None
    score = _best(sure(row))[0]
    return "flagged" if score > level.flag_at else "between" if score > level.suspect_at else "low"


def interval(count: int, of: int) -> str:
    """The exact 95 % interval of a rate (Clopper and Pearson 1934), in per cent."""
    if not of:
        return "-"
    found = binomtest(count, of).proportion_ci(0.95, "exact")
    return f"{found.low:.0%} to {found.high:.0%}"


def read(names: Sequence[str], folder: Path = FOLDER) -> list[Row]:
    """The rows of several files."""
    return [row for name in names for row in read_lines(folder / f"{name}.jsonl")]


def clean_scores(rows: Sequence[Row]) -> str:
    """By test, the largest score on sure images of each clean network, ascending, as JSON."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if not row["attacked"] and row["classes"] > 2:
            found.setdefault(sure_test(row["classes"]), []).append(round(_best(sure(row))[0], 3))
    return json.dumps({test: sorted(found[test]) for test in sorted(found)}, indent=1) + "\n"


@click.command()
@click.option("--rows", "names", multiple=True, default=ROWS)
@click.option("--write", is_flag=True, help="Write the scores of clean networks, and no tables.")
def main(names: tuple[str, ...], write: bool) -> None:
    """Tables of all candidates."""
    rows = read(names)
    measured = [r for r in rows if "pixel_sure" in r]
    if write:
        CLEAN_SCORES.write_text(clean_scores(measured))
        return
    click.echo(f"The search on sure images alone, by its levels\n\n{shipped(measured)}")
    click.echo(f"\nBy attack\n\n{by_attack(measured)}")
    rows = [r for r in rows if "pixel" in r]
    for kind in ("all", *KINDS):
        some = [r for r in rows if kind in ("all", kind_of(r))]
        if some:
            clean, attacked = sum(not r["attacked"] for r in some), sum(map(single, some))
            click.echo(f"\n{kind} classes: {clean} clean, {attacked} attacked\n\n{table(some)}")


if __name__ == "__main__":
    main()
