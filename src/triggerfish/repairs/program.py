"""A program file with a backdoor in its graph -> the program without the branch."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import torch

from triggerfish.errors import NothingToRepairError, UnsupportedModelError
from triggerfish.loading import LoadOptions
from triggerfish.model.classifier import Classifier, Preprocessing
from triggerfish.repairs.record import SCHEMA_VERSION
from triggerfish.repairs.repair import CHECK_PICTURES
from triggerfish.results import Scanned
from triggerfish.search import seeds
from triggerfish.search.pictures import pictures
from triggerfish.structure.analyse import PREPARED
from triggerfish.structure.cutting import MOST_OPEN, cut, without_functions, write_without
from triggerfish.structure.evaluate import Program
from triggerfish.structure.findings import Structure, StructureFinding
from triggerfish.structure.graph import Graph
from triggerfish.structure.opening import look, open_any
from triggerfish.structure.readers import read_graph

METHOD = "cut"
MOST_CUTS = 8
_WORKS = 0.9
_NEAR = 1e-3
"""Of the answers' spread, by which a file that is written again may differ."""


@dataclass(frozen=True)
class CutProgram:
    """A program without ``findings``; ``done`` says for each what is there now.

    ``content`` are the bytes of its file, ``after`` the scan of it. Of ``count`` synthetic images
    ``same`` have the class that they had, and ``opening`` others had a branch's target: they open
    it by themselves. ``problems`` are why it is not accepted.
    """

    findings: tuple[StructureFinding, ...]
    done: tuple[str, ...]
    content: bytes
    after: Scanned
    count: int
    same: int
    opening: int
    problems: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether the program passes its own check."""
        return not self.problems


def repair_program(
    path: Path, options: LoadOptions, scan: Callable[[Path], Scanned], targets: Sequence[int] = ()
) -> CutProgram | None:
    """Cut every branch that is proven to be a backdoor off a program file, and scan the result.

    ``targets`` are the classes whose branches are cut; all when empty. None where nothing in the
    program is suspicious.

    Raises `NothingToRepairError` where no branch is proven, and `UnsupportedModelError` where one
    cannot be cut off without changing other answers, or the format cannot be written.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder, found, done = Path(temporary), list[StructureFinding](), list[str]()
        opened = _opened(path, options)
        current = without_functions(path, folder)
        while finding := _proven(structure := _looked(current, opened), targets):
            if len(found) >= MOST_CUTS:
                raise UnsupportedModelError(
                    f"expected up to {MOST_CUTS} branches to cut off, got more: use a model that "
                    "you trust"
                )
            following = folder / f"{len(found)}{path.suffix}"
            done.append(_without(current, following, finding, opened))
            found.append(finding)
            current = following
        if not (found or structure.findings):
            return None
        if not found:
            raise NothingToRepairError(_nothing(structure, targets))
        same, own = _same(path, current, opened, {finding.target for finding in found})
        after = scan(current)
        return CutProgram(
            tuple(found), tuple(done), current.read_bytes(), after, CHECK_PICTURES, same, own,
            tuple(_problems(after, same, own)),
        )  # fmt: skip


def _opened(path: Path, options: LoadOptions) -> Classifier:
    return open_any(path, options)[0].classifier


def _looked(path: Path, opened: Classifier) -> Structure:
    structure = look(path, opened)
    if structure is None:
        raise NothingToRepairError("expected a file that carries a program, got weights alone")
    return structure


def _proven(structure: Structure, targets: Sequence[int]) -> StructureFinding | None:
    proven = (f for f in structure.findings if f.proof is not None)
    return next((f for f in proven if not targets or f.target in targets), None)


def _nothing(structure: Structure, targets: Sequence[int]) -> str:
    of = f" that leads to class {', '.join(map(str, targets))}" if targets else ""
    nodes = ", ".join(structure.findings[0].nodes[-3:])
    return (
        f"expected a branch{of} that is proven to be a backdoor, got other nodes alone ({nodes}): "
        "look at them, and export the network from its source without them"
    )


def _without(source: Path, target: Path, finding: StructureFinding, opened: Classifier) -> str:
    """Write the program without one branch; what is in its place."""
    graph, shape = read_graph(source), opened.input_shape
    program = _prepared(graph, finding, opened)
    made = cut(graph, finding, program, shape)
    words = write_without(source, target, made, shape)
    images = pictures(CHECK_PICTURES, shape, seeds.CHECK)
    expected = Program(made.graph, program.scale, program.shift).logits(images)
    written = Program(read_graph(target), program.scale, program.shift).logits(images)
    near = _NEAR * float(expected.std())
    if written.shape != expected.shape or float((written - expected).abs().max()) > near:
        raise UnsupportedModelError(
            "expected a file that answers as the program without the branch, got other answers: "
            "export the network from its source without it"
        )
    return words


def _prepared(graph: Graph, finding: StructureFinding, opened: Classifier) -> Program:
    """The program for images in [0, 1], prepared in the first way in which the trigger works."""
    proof, shape = finding.proof, opened.input_shape
    assert proof is not None
    ways: tuple[Preprocessing, ...] = (opened.preprocessing, *PREPARED)
    programs = [Program(graph, *way.affine(shape[0])) for way in ways]
    stamped = torch.where(proof.mask > 0, proof.image, pictures(64, shape, seeds.CHECK + 1))
    for program in programs:
        answers = program.logits(stamped)
        if len(answers) and float((answers.argmax(1) == proof.target).float().mean()) >= _WORKS:
            return program
    return programs[0]  # a trigger that is fitted to each image


def _same(
    before: Path, after: Path, opened: Classifier, targets: Set[int | None]
) -> tuple[int, int]:
    """Of fresh synthetic images, how many get the same class from the file that is written.

    And how many others had a target's class before.
    """
    scale, shift = opened.preprocessing.affine(opened.input_shape[0])
    images = pictures(CHECK_PICTURES, opened.input_shape, seeds.CHECK)
    old, new = (
        Program(read_graph(path), scale, shift).logits(images).argmax(1) for path in (before, after)
    )
    led = sum(k in targets for k in old[old != new].tolist())
    return int((old == new).sum()), led


def _problems(after: Scanned, same: int, opening: int) -> list[str]:
    problems = []
    changed, most = CHECK_PICTURES - same - opening, int(MOST_OPEN * CHECK_PICTURES)
    if changed or opening > most:
        problems.append(
            "without its branch the program should answer as before, and it gives another class to "
            f"{changed + opening} of {CHECK_PICTURES} synthetic images"
        )
    if after.verdict.name == "backdoored":
        problems.append(
            f"without its branch the program should scan clean, and it is {after.verdict}: its "
            "weights hold more. Use a model that you trust"
        )
    return problems


def record_of_cuts(
    outcome: CutProgram, original: Path, sha256: str, repaired: Path
) -> dict[str, object]:
    """The record of one repair, for JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "accepted": outcome.accepted,
        "problems": list(outcome.problems),
        "original": {"path": str(original), "sha256": sha256},
        "repaired": {
            "path": str(repaired), "sha256": hashlib.sha256(outcome.content).hexdigest(),
        },
        "targets": sorted({f.target for f in outcome.findings if f.target is not None}),
        "method": METHOD,
        "cut": [
            {"nodes": list(f.nodes), "what": f.text, "target": f.target, "done": words}
            for f, words in zip(outcome.findings, outcome.done, strict=True)
        ],
        "after": {
            "verdict": outcome.after.verdict.name,
            "flagged": list(outcome.after.verdict.flagged),
            "reasons": [reason.code for reason in outcome.after.verdict.reasons],
        },
        "pictures": outcome.count,
        "agreement": outcome.same / outcome.count,
    }  # fmt: skip
