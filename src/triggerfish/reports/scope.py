"""What a scan looked for, and what it did not: kinds of backdoor by stable names."""

from __future__ import annotations

from collections.abc import Iterator

from triggerfish.results import IN_PROGRAM, ClassScores, Scanned

KINDS: dict[str, str] = {
    "one-target": "a class that an unusually small change sends single images to",
    "universal-pixel": "one pattern of few pixels that sends any image to one class",
    "universal-frequency": "one faint pattern over the image that sends any image to one class",
    "universal-l2": "a picture or noise blended into the whole image, for one class",
    "all-to-all": "one pattern that sends images of every class to another class",
    "class-pairs": "a pattern that works only on images of one class",
    "input-dependent": "triggers that differ from image to image, such as a warp",
    "semantic": "ordinary things in a photograph, used as a trigger",
    "program": "code in the model file that detects a trigger by itself",
    "adaptive": "an attacker who trained the network against this very scan",
}
# Nothing here measures these, whatever the detector.
NEVER = ("input-dependent", "semantic", "adaptive")


def looked_for(result: Scanned) -> list[str]:
    """The kinds that at least one of the detectors measures, in the order of `KINDS`."""
    parts = (result.scores, *result.scores.parts)
    found = {kind for scores in parts for kind in _kinds(scores)}
    if result.verdict.all_classes:
        found.add("all-to-all")
    kinds = {row.hypothesis.kind for row in result.verdict.evidence}
    if "blend" in kinds:
        found.add("universal-l2")
    if "pair" in kinds:
        found.add("class-pairs")
    if any(note.startswith(IN_PROGRAM) for note in result.verdict.notes):
        found.add("program")
    return [kind for kind in KINDS if kind in found]


def not_looked_for(result: Scanned) -> list[str]:
    """The other kinds."""
    found = looked_for(result)
    return [kind for kind in KINDS if kind not in found]


def _kinds(scores: ClassScores) -> Iterator[str]:
    """What a detector measured, by what its scores hold."""
    bases = {perturbation.basis for perturbation in scores.perturbations}
    bases |= {sizes.basis for sizes in scores.sizes}
    yield from (f"universal-{basis}" for basis in bases)
    if scores.pairs is not None:
        yield "class-pairs"
    if scores.all_classes is not None:
        yield "all-to-all"
    if not bases and scores.pairs is None:
        yield "one-target"
