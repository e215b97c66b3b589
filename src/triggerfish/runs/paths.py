"""One path -> `Scanned`, or `Skipped` in place of an exception.

A file may hold several networks: averaged weights beside the trained ones, a student beside its
teacher, and whoever deploys it takes one or the other. Each is scanned, and the file has the worst
of their verdicts. Where something of it may be a classifier and could not be read, it is never
clean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from triggerfish.ambiguity import Scan, scan_readings
from triggerfish.errors import TriggerfishError, described
from triggerfish.files import sha256_of
from triggerfish.loading import Reading
from triggerfish.loading.contents import Aside
from triggerfish.model.classifier import Classifier
from triggerfish.results import ON_OWN, Finding, Scanned, Skipped, Verdict, VerdictName
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.search.progress import share_of_work
from triggerfish.structure.findings import Structure
from triggerfish.structure.opening import Cutting, look, look_in_memory, open_any
from triggerfish.structure.readers import read_graph
from triggerfish.structure.weighing import SUSPICIOUS, suspicion, with_structure
from triggerfish.trial import with_trials
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
            f"{aside.key!r} of {name or 'the file'} may be a network too, and was not read "
            f"({aside.why}). Name its network with --state-key and --arch",
        )
        for aside in beside
        if aside.network
    ]
    if not beside:
        return verdict
    return conclude(verdict.evidence, (*verdict.reasons, *findings), (*verdict.notes, *notes))


Opened = Classifier | Sequence[Reading]
Load = Callable[[Path], Opened]


def scan_path(
    path: Path, config: ScanConfig, load: Load = open_any, images: Path | None = None
) -> Scanned | Skipped:
    """Load and scan one checkpoint. What cannot be scanned is `Skipped`, with the reason.

    Whatever else a model provokes ends in a *failed* one, so that the others go on.
    """
    sha256 = None
    try:
        sha256 = sha256_of(path)
        opened = load(path)
        return _tried(scan_opened(opened, config, path, sha256), opened, images)
    except TriggerfishError as error:
        return Skipped(path, _with_suspicions(error, path), sha256, error.kind, error.imports)
    except Exception as error:
        return Skipped(path, f"expected a scan that ends, got {described(error)}", sha256, "failed")


def scan_opened(opened: Opened, config: ScanConfig, path: Path, sha256: str | None) -> Scanned:
    """One verdict for all networks and readings of a file; raises what a model provokes."""
    one = partial(scan_classifier, config=config, path=path, sha256=sha256)
    try:
        structure = look(path, opened)
    except TriggerfishError as error:  # the network is scanned all the same, and the result says so
        structure = Structure("", 0, (), unread=(str(error),))
    if structure is None:
        return scan_parts(opened, one)
    if not structure.targets:
        return with_structure(scan_parts(opened, one), structure)
    cut = Cutting(read_graph(path), structure)
    result = scan_parts(cut.readings(opened), one)
    return with_structure(result, structure, cut.notes)


def scan_in_memory(classifier: Classifier, config: ScanConfig) -> Scanned:
    """The same for a network in memory."""
    structure, graph = look_in_memory(classifier)
    if graph is None or not structure.targets:
        return with_structure(scan_classifier(classifier, config), structure)
    cut = Cutting(graph, structure)
    return with_structure(scan_classifier(cut(classifier), config), structure, cut.notes)


def _with_suspicions(error: TriggerfishError, path: Path) -> str:
    """Why a file was not scanned, and what its program looks like all the same."""
    if error.kind != "unsupported":
        return str(error)
    try:
        structure = look(path)
    except TriggerfishError:
        return str(error)
    found = () if structure is None else structure.findings
    return "; ".join([str(error), *(f"{suspicion(f)} [{SUSPICIOUS}]" for f in found)])


def _tried(result: Scanned, opened: Opened, images: Path | None) -> Scanned:
    """The result, tried on the user's own pictures; with a note where that fails."""
    if images is None or result.verdict.name == "clean":
        return result
    try:
        return with_trials(result, _read_as(result, opened), images)
    except Exception as error:  # the verdict stands, whatever the pictures are
        why = error if isinstance(error, TriggerfishError) else described(error)
        notes = (*result.verdict.notes, f"{ON_OWN} nothing was tried: {why}")
        return replace(result, verdict=replace(result.verdict, notes=notes))


def _read_as(result: Scanned, opened: Opened) -> Classifier:
    """The reading that a result is of: the one of its part with its assumptions and facts."""
    if isinstance(opened, Classifier):
        return opened
    rests_on = (result.part, result.assumptions, result.facts)
    return next(
        reading.classifier
        for reading in opened
        if (reading.part, reading.classifier.assumptions, reading.classifier.facts) == rests_on
    )
