"""One verdict for a file that holds several networks: the worst of theirs.

A checkpoint may keep averaged weights beside the trained ones, a student beside its teacher, and
whoever deploys it takes one or the other. Each is scanned. Where something of the file may be a
classifier and could not be read, the file is never clean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from triggerfish.ambiguity import Scan, scan_readings
from triggerfish.loading.contents import Aside
from triggerfish.loading.load import Reading
from triggerfish.model.classifier import Classifier
from triggerfish.results import Finding, Scanned, Verdict, VerdictName
from triggerfish.search.progress import share_of_work
from triggerfish.verdict.conclude import conclude

UNREAD = "network-not-scanned"
WORST_FIRST: tuple[VerdictName, ...] = ("backdoored", "inconclusive", "clean")


def scan_parts(models: Classifier | Sequence[Reading], scan: Scan) -> Scanned:
    """Scan every network of a file; the result is that of the first with the worst verdict.

    It has the others' results. Notes say what was left out, a finding what could not be read.
    """
    if isinstance(models, Classifier):
        return scan(models)
    parts = list(dict.fromkeys(model.part for model in models))
    results: list[Scanned] = []
    for number, part in enumerate(parts):
        with share_of_work(number / len(parts), (number + 1) / len(parts)):
            one = scan_readings([m for m in models if m.part == part], scan)
            results.append(replace(one, part=part))
    worst = min(results, key=lambda result: WORST_FIRST.index(result.verdict.name))
    return replace(
        worst,
        verdict=_with_unread(worst.verdict, models[0].beside, models[0].classifier.name),
        others=tuple(result for result in results if result is not worst),
        seconds=sum(result.seconds for result in results),
    )


def _with_unread(verdict: Verdict, beside: Sequence[Aside], name: str) -> Verdict:
    """A verdict with what lies beside the networks that were read; never clean with such a one."""
    notes = [f"{a.key!r} of the file was not scanned: {a.why}" for a in beside if not a.network]
    findings = [
        Finding(
            UNREAD,
            f"expected every network of {name or 'the file'} to be read, got {aside.key!r} that is "
            f"not ({aside.why}): name its network with --state-key and --arch",
        )
        for aside in beside
        if aside.network
    ]
    if not beside:
        return verdict
    return conclude(verdict.evidence, (*verdict.reasons, *findings), (*verdict.notes, *notes))
