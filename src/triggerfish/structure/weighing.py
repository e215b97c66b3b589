"""A `Structure` as evidence: rows and findings that are concluded with those of the searches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from triggerfish.results import IN_PROGRAM, Evidence, Finding, Hypothesis, Null, Scanned, Stamp
from triggerfish.structure.effects import NEARLY_ALL
from triggerfish.structure.findings import Structure, StructureFinding
from triggerfish.verdict.conclude import conclude

TEST = "structure"
SUSPICIOUS = "suspicious-structure"
_FLAG_AT = 0.5 * NEARLY_ALL
"""Of the flips that the branch itself brings about; a proof has at least this many."""


def with_structure(result: Scanned, structure: Structure, notes: tuple[str, ...] = ()) -> Scanned:
    """The result with what stands in the program's graph, concluded again.

    ``notes`` say what was scanned in its place.
    """
    if not (structure.nodes or structure.unread):
        return result
    before = result.verdict
    verdict = conclude(
        (*before.evidence, *_rows(structure)),
        (*before.reasons, *_suspicions(structure)),
        (*before.notes, *_notes(structure), *notes),
    )
    verdict = replace(verdict, notes=tuple(dict.fromkeys(verdict.notes)))
    return replace(result, verdict=verdict, stamps=(*_stamps(structure), *result.stamps))


def _stamps(structure: Structure) -> Iterator[Stamp]:
    """The triggers of the proofs, one for each class."""
    shown: set[int] = set()
    for finding in structure.findings:
        proof = finding.proof
        if proof is not None and proof.target not in shown:
            shown.add(proof.target)
            yield proof


def _rows(structure: Structure) -> Iterator[Evidence]:
    for finding in structure.findings:
        proof = finding.proof
        if proof is not None:
            yield Evidence(
                Hypothesis("structure", proof.target, place=finding.nodes[-1]),
                TEST,
                proof.success_rate - proof.control,
                _FLAG_AT - 1e-9,
                None,
                Null("fixed"),
            )


def _suspicions(structure: Structure) -> Iterator[Finding]:
    for finding in structure.findings:
        if finding.proof is None:
            yield Finding(SUSPICIOUS, suspicion(finding))


def suspicion(finding: StructureFinding) -> str:
    """A finding without a proof as a reason not to trust a program."""
    return (
        f"more than the learned layers decides the answer: {described(finding)}. Ask "
        "whoever made it what that is for, or rebuild the network from its weights"
    )


def described(finding: StructureFinding) -> str:
    """A finding in a sentence, with its nodes."""
    where = " -> ".join(finding.nodes[-4:])
    led = "" if finding.target is None else f", which leads to class {finding.target}"
    kind = {"branch": "a branch", "bypass": "a bypass", "gated": "a gated value"}[finding.kind]
    return f"{kind}: {finding.text}{led} (nodes {where})"


def _notes(structure: Structure) -> Iterator[str]:
    for finding in structure.findings:
        proof = finding.proof
        if proof is None:
            continue
        rows, columns = (proof.mask[0].any(axis).nonzero().flatten() for axis in (1, 0))
        place = (
            f"rows {int(rows[0])} to {int(rows[-1])}, columns {int(columns[0])} to "
            f"{int(columns[-1])}"
        )
        kind = "fitted to each image, on" if proof.fitted else "at"
        yield (
            f"{IN_PROGRAM} {described(finding)}; a trigger computed from it, {kind} {place}, "
            f"sends {proof.success_rate:.0%} of {proof.count} synthetic images to class "
            f"{proof.target}, and {proof.control:.0%} with the branch held shut"
        )
    if structure.nodes and not (structure.findings or structure.unread):
        yield (
            f"{IN_PROGRAM} none of {structure.nodes} nodes is a branch that looks at the image "
            "beside the learned layers"
        )
    if structure.unread and not structure.format:
        yield f"structure not read: {structure.unread[0]}"
    elif structure.unread:
        yield f"not read in the program: what is inside {', '.join(structure.unread[:5])}"
