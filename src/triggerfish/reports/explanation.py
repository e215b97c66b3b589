"""One class in depth, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.columns import columns
from triggerfish.reports.confirmations import confirmation_in_short
from triggerfish.reports.half_blocks import half_blocks
from triggerfish.reports.text import number, printable
from triggerfish.reports.words import (
    beside_others,
    in_short,
    label,
    owned_perturbations,
    perturbations,
    scale,
    source_of,
)
from triggerfish.results import ClassScores, Pairs, Scanned, Status
from triggerfish.results.deciding import deciding_rows

ROW = "  {:<49}  {:>10}  {}"
WORDS = {
    "ensemble_score": "all detectors together",
    "universal_score": "universal patterns",
    "log_norm_ratio": "minimum change of single images",
    "min_norm": "smallest change of an image, px",
    "shown_baseline": "starting image that is shown",
    "first_reached": "first step at which the class was reached",
    "pair_score": "pairs of classes",
    "margin": "largest lead over other classes",
    "size": "size of the pattern",
    "ratio": "log of median size over its own",
    "success": "share of the last images it works on",
    "best_l1_weight": "best L1 weight",
}
"""Raw names of scores and columns -> words; what follows a name is put into words by `PIECES`."""
PIECES = {
    "pixel": "pixels",
    "frequency": "frequencies",
    "l2": "L2",
    "0.0": "from black",
    "0.3": "from dark grey",
    "0.5": "from grey",
    "1.0": "from white",
}


def explain(result: Scanned, k: int, about: About = PLAIN) -> Iterator[str]:
    """Lines on class ``k``: its score, what each detector says, its pattern, its pairs."""
    scores, verdict = result.scores, result.verdict
    state = "flagged" if k in verdict.flagged else "not flagged"
    name = "the model" if result.path is None else printable(result.path)
    yield f"class {label(k, result.class_names)} of {name}: {state}"
    rows = deciding_rows(verdict)
    row = rows[k] if k < len(rows) else None
    if row is None or math.isnan(row.score):
        if scores.status[k] is Status.CONVERGED:
            yield "not judged: it has no anomaly index"
        else:
            yield f"not measured: the search ended {scores.status[k].value.replace('_', ' ')}"
    else:
        limit = number(row.flag_at, ".2f") or "none"
        same = tuple(r.score for r in rows if r is not None and r.test == row.test)
        rank = _rank(same, row.score)
        yield f"anomaly index {row.score:.2f}, threshold {limit} (test: {row.test}); {rank}"
    shown = any(p.target == k for p in perturbations(scores))
    if not shown and (said := scale(scores, k)):
        yield f"it {said}"
    if seen := verdict.seen_by.get(k):
        yield f"unusual by: {', '.join(seen)}"
    yield from _perturbations(result, k, about)
    for test in result.confirmations:
        if test.target == k:
            yield confirmation_in_short(test, result.class_names)
    yield from _detectors(scores, k)
    yield from _further(scores, k)
    if scores.pairs is not None:
        yield from _pairs(result, scores.pairs, k)


def _rank(values: tuple[float, ...], value: float) -> str:
    measured = [v for v in values if math.isfinite(v)]
    above = sum(v > value for v in measured)
    return f"rank {above + 1} of {len(measured)} measured classes"


def _detectors(scores: ClassScores, k: int) -> Iterator[str]:
    """One row for each different score: that of the whole is often that of a part."""
    yield "scores by detector"
    seen = set[str]()
    for part in (scores, *scores.parts):
        values = tuple(part.statistic.tolist())
        value = number(values[k], ".3g") or part.status[k].value.replace("_", " ")
        rank = _rank(values, values[k]) if math.isfinite(values[k]) else ""
        line = ROW.format(in_words(part.name), value, rank).rstrip()
        if line not in seen:
            seen.add(line)
            yield line
    if scores.restarts is not None and len(scores.restarts) > 1:
        runs = ", ".join(number(v, ".3g") or "-" for v in scores.restarts[:, k].tolist())
        yield ROW.format("by each run of the search", "", runs)


def _further(scores: ClassScores, k: int) -> Iterator[str]:
    """Each quantity once, under a name that a person can read."""
    found: dict[str, Tensor] = {}
    for part in (scores, *scores.parts):
        for name, vector in columns(part).items():
            found.setdefault(in_words(name), vector)
    if found:
        yield "also measured: this class, and the median class"
    for name, vector in found.items():
        median = number(float(vector.double().nanquantile(0.5)), ".4g")
        yield ROW.format(name, number(float(vector[k]), ".4g") or "-", median or "-")


def in_words(name: str) -> str:
    """The name of a score or a column as a person would say it."""
    for stem, words in WORDS.items():
        if name == stem:
            return words
        if name.startswith(f"{stem}_"):
            rest = name.removeprefix(f"{stem}_").replace("_", " ")
            return f"{words}, {PIECES.get(rest, rest)}"
    return name.replace("_", " ")


def _perturbations(result: Scanned, k: int, about: About) -> Iterator[str]:
    for scores, perturbation in owned_perturbations(result.scores):
        if perturbation.target == k:
            yield in_short(perturbation, result.class_names, source_of(result, perturbation))
            if k in result.verdict.flagged:
                yield from beside_others(result, scores, perturbation)
            if about.pictures and not bool(perturbation.delta.isnan().any()):
                yield from (f"  {line}" for line in half_blocks(perturbation.delta))


def _pairs(result: Scanned, pairs: Pairs, k: int) -> Iterator[str]:
    yield "strongest class pairs"
    for title, vector in (("from", pairs.score[:, k]), ("to", pairs.score[k])):
        known = vector.nan_to_num(-math.inf)
        for other in torch.argsort(known, descending=True, stable=True)[:3].tolist():
            if math.isfinite(float(known[other])):
                words = f"{title} {label(other, result.class_names)}"
                yield ROW.format(words, f"{float(vector[other]):.3g}", "")
