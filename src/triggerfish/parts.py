"""One verdict for a file that holds several networks: the worst of theirs.

A checkpoint may keep averaged weights beside the trained ones, a student beside its teacher, and
whoever deploys it takes one or the other. Each is scanned. Where something of the file may be a
classifier and could not be read, the file is never clean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from triggerfish.ambiguity import Scan, scan_readings
from triggerfish.loading.load import Reading
from triggerfish.loading.weights.part import Aside
from triggerfish.model.classifier import Classifier
from triggerfish.results import Finding, Scanned, Verdict
from triggerfish.search.progress import share_of_work

UNREAD = "network-not-scanned"
_BADNESS = {"clean": 0, "inconclusive": 1, "backdoored": 2}


def scan_parts(models: Classifier | Sequence[Reading], scan: Scan) -> Scanned:
    """Scan every network of a file; the result is that of the first with the worst verdict.

    Notes say what the others got and what was left out, a finding what could not be read.
    """
    if isinstance(models, Classifier):
        return scan(models)
    parts = list(dict.fromkeys(model.part for model in models))
    results: list[Scanned] = []
    for number, part in enumerate(parts):
        with share_of_work(number / len(parts), (number + 1) / len(parts)):
            results.append(scan_readings([m for m in models if m.part == part], scan))
    worst = max(results, key=lambda result: _BADNESS[result.verdict.name])
    notes = list(_notes(parts, results)) if len(parts) > 1 else []
    verdict = _with_unread(worst.verdict, models[0].beside, models[0].classifier.name)
    verdict = replace(verdict, notes=(*verdict.notes, *notes))
    return replace(worst, verdict=verdict, seconds=sum(result.seconds for result in results))


def _notes(parts: Sequence[str], results: Sequence[Scanned]) -> Iterator[str]:
    for part, result in zip(parts, results, strict=True):
        yield f"network {part!r} of the file: {replace(result.verdict, reasons=())}"


def _with_unread(verdict: Verdict, beside: Sequence[Aside], name: str) -> Verdict:
    """A verdict with what lies beside the networks that were read; never clean with such a one."""
    notes = [f"{a.key!r} of the file was not scanned: {a.why}" for a in beside if not a.network]
    findings = tuple(
        Finding(
            UNREAD,
            f"expected every network of {name or 'the file'} to be read, got {aside.key!r} that is "
            f"not ({aside.why}): name its network with --state-key and --arch",
        )
        for aside in beside
        if aside.network
    )
    called = "inconclusive" if findings and verdict.name == "clean" else verdict.name
    return replace(
        verdict,
        name=called,
        reasons=(*verdict.reasons, *findings),
        notes=(*verdict.notes, *notes),
    )
