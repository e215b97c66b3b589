"""One class in depth, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from triggerfish.reports.about import PLAIN, About
from triggerfish.reports.half_blocks import half_blocks
from triggerfish.reports.text import number, printable
from triggerfish.reports.words import label, perturbations, scale, size, success_rate
from triggerfish.results import ClassScores, Pairs, Scanned

ROW = "  {:<28}  {:>10}  {}"


def explain(result: Scanned, k: int, about: About = PLAIN) -> Iterator[str]:
    """Lines on class ``k``: its score, what each detector says, its perturbation, its pairs."""
    scores, verdict = result.scores, result.verdict
    state = "flagged" if k in verdict.flagged else "not flagged"
    name = "the model" if result.path is None else printable(result.path)
    yield f"class {label(k, result.class_names)} of {name}: {state}"
    index = verdict.anomaly_index[k]
    if math.isnan(index):
        yield f"not measured: the search ended {scores.status[k].value.replace('_', ' ')}"
    else:
        limit = number(verdict.threshold, ".2f") or "none"
        yield f"anomaly index {index:.2f}, threshold {limit}; {_rank(verdict.anomaly_index, k)}"
    if said := scale(scores, k):
        yield said
    if seen := verdict.seen_by.get(k):
        yield f"seen by: {', '.join(seen)}"
    yield from _detectors(scores, k)
    yield from _details(scores, k)
    yield from _perturbations(result, k, about)
    if scores.pairs is not None:
        yield from _pairs(result, scores.pairs, k)


def _rank(values: tuple[float, ...], k: int) -> str:
    measured = [v for v in values if math.isfinite(v)]
    above = sum(v > values[k] for v in measured)
    return f"rank {above + 1} of {len(measured)} measured classes"


def _detectors(scores: ClassScores, k: int) -> Iterator[str]:
    yield "what each detector says"
    for part in (scores, *scores.parts):
        values = tuple(part.statistic.tolist())
        value = number(values[k], ".3g") or part.status[k].value.replace("_", " ")
        rank = _rank(values, k) if math.isfinite(values[k]) else ""
        yield ROW.format(part.name.replace("_", " "), value, rank).rstrip()
    if scores.restarts is not None and len(scores.restarts) > 1:
        runs = ", ".join(number(v, ".3g") or "-" for v in scores.restarts[:, k].tolist())
        yield ROW.format("by each run of the search", "", runs)


def _details(scores: ClassScores, k: int) -> Iterator[str]:
    found = [(n, v) for part in (scores, *scores.parts) for n, v in part.details.items()]
    if found:
        yield "measured on the way, and the median over the classes"
    for name, vector in found:
        median = number(float(vector.double().nanquantile(0.5)), ".4g")
        yield ROW.format(name, number(float(vector[k]), ".4g") or "-", median or "-")


def _perturbations(result: Scanned, k: int, about: About) -> Iterator[str]:
    for perturbation in perturbations(result.scores):
        if perturbation.target == k:
            yield f"perturbation found: {size(perturbation)}; {success_rate(perturbation)}"
            if about.pictures and not bool(perturbation.delta.isnan().any()):
                yield from (f"  {line}" for line in half_blocks(perturbation.delta))


def _pairs(result: Scanned, pairs: Pairs, k: int) -> Iterator[str]:
    yield "class pairs with the largest scores"
    for title, vector in (("from", pairs.score[:, k]), ("to", pairs.score[k])):
        known = vector.nan_to_num(-math.inf)
        for other in torch.argsort(known, descending=True, stable=True)[:3].tolist():
            if math.isfinite(float(known[other])):
                words = f"{title} {label(other, result.class_names)}"
                yield ROW.format(words, f"{float(vector[other]):.3g}", "")
