"""A result that looks like a real one: ten classes, 3x16x16, a corner patch that leads to 7."""

import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
from torch import Tensor
from verdicts import verdict

from triggerfish.results import (
    IN_PROGRAM,
    Acceptance,
    Assumption,
    BaselineNorms,
    BasisEvidence,
    ClassScores,
    ClassSizes,
    Confirmation,
    Evidence,
    Fact,
    Finding,
    Hypothesis,
    Null,
    Pairs,
    Perturbation,
    Scanned,
    Skipped,
    Stamp,
    Status,
    Trial,
)
from triggerfish.verdict.conclude import conclude

NAMES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TARGET, SIDE, COUNT = 7, 16, len(NAMES)
NAN = math.nan


def seeded(*shape: int, seed: int = 0) -> Tensor:
    """Numbers in [0, 1)."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def pictures(count: int = 8) -> Tensor:
    """Blurred noise (P, 3, H, W) in levels of 1/255, as they are stored."""
    coarse = torch.nn.functional.interpolate(seeded(count, 3, 4, 4), SIDE, mode="bilinear")
    return (coarse * 255).round() / 255


def patch() -> Tensor:
    """A perturbation (3, H, W): a yellow square in a corner."""
    delta = torch.zeros(3, SIDE, SIDE)
    delta[:2, -4:-1, -4:-1], delta[2, -4:-1, -4:-1] = 0.05, -0.04
    return delta


def perturbation() -> Perturbation:
    return Perturbation(
        TARGET, "pixel", patch(), 0.34, 9.7, 0.94, Status.CONVERGED, (7,) * 7 + (2,)
    )


def universal() -> ClassScores:
    """The part that found something; class 4 is out of reach, class 9 answers to a pattern."""
    sizes = torch.tensor([5.1, 9.4, 12.0, 16.8, NAN, 9.9, 9.5, 0.34, 10.2, 11.3]).double()
    waves = torch.sin(torch.linspace(0, 25, SIDE)).expand(3, SIDE, SIDE) * 0.02
    wave = Perturbation(9, "frequency", waves.contiguous(), 30.5, 41.0, 0.8, Status.CONVERGED)
    return ClassScores(
        name="universal_change",
        statistic=(9.7 / sizes).log(),
        status=tuple(Status.CONVERGED if v > 0 else Status.UNREACHABLE for v in sizes.tolist()),
        images=torch.empty(0, 3, SIDE, SIDE),
        probability=torch.full((COUNT,), NAN).double(),
        logits=torch.empty(0, COUNT).double(),
        sizes=(ClassSizes("pixel", sizes),),
        shown=(),
        perturbations=(perturbation(), wave),
        pictures=pictures(),
        predicted_classes=(0, 2, 2, 6, 3, 2, 8, 2),
    )


def pairs() -> Pairs:
    score = torch.randn(COUNT, COUNT, generator=torch.Generator().manual_seed(4)).double() * 0.3
    score.fill_diagonal_(NAN)
    score[3, TARGET] = 2.1
    score[5, 1] = NAN
    return Pairs(score, (3 - score).clamp(min=0.2))


def scores() -> ClassScores:
    statistic = torch.tensor([0.1, -0.2, 0.05, 0.3, NAN, -0.1, 0.2, 2.9, 0, -0.3]).double()
    images = (seeded(COUNT, 3, SIDE, SIDE, seed=1) * 0.3 * 255).round() / 255
    images[TARGET] = (patch().clamp(min=0) * 20 * 255).round() / 255
    return ClassScores(
        name="log_norm_ratio",
        statistic=statistic,
        status=tuple(Status.UNREACHABLE if k == 4 else Status.CONVERGED for k in range(COUNT)),
        images=images,
        probability=torch.tensor([0.9999] * 4 + [0.21] + [0.9999] * 5).double(),
        logits=torch.zeros(COUNT, COUNT).double(),
        norms=(
            BaselineNorms(
                "0.0", torch.tensor([9.0, 12, 9.5, 7.2, NAN, 11, 8.1, 0.55, 10, 13]).double()
            ),
        ),
        pairs=pairs(),
        restarts=torch.stack([statistic + 0.05, statistic - 0.05]),
        all_classes=0.12,
        parts=(universal(),),
    )


def confirmation() -> Confirmation:
    """The patch is confirmed; what was found among frequencies works everywhere."""
    others = (0.1, 0.21, 0.05, 0.02, 0.0, 0.3, 0.11, 0.07, 0.2)
    patch_again = BasisEvidence("pixel", 0.36, 0.92, 0.55, 0.01, 0.4, 0.95, others)
    waves = BasisEvidence("frequency", 11.0, 0.8, 0.4, 0.05, 0.7, 0.9, (0.75, 0.7, *others[2:]))
    return Confirmation(TARGET, "confirmed", 0.71, (patch_again, waves), (), 14.6)


def found() -> Scanned:
    """Flagged, with every field filled."""
    values = scores()
    return Scanned(
        path=Path("zoo/stranger model.pt"),
        sha256="ab" * 32,
        detector="default",
        scores=values,
        verdict=verdict(
            (TARGET,),
            values.statistic.tolist(),
            1.4,
            reasons=(
                Finding("unreachable", "expected every class to be measured, got 1 unreachable"),
            ),
            notes=("2 of 2 single runs flag the same classes",),
            p_value=0.0244,
            null=Null("same-recipe", "cifar-10, small_resnet", 40),
            seen_by={TARGET: ("universal-pixel", "min-norm")},
        ),
        config={"detector": "default", "seed": 0, "settings": {"steps": 60}},
        seconds=12.5,
        environment={"triggerfish": "0.2", "torch": "2.13", "device": "cpu"},
        assumptions=(Assumption("mean", "0.4914,0.4822,0.4465", "usual for 3x32x32"),),
        facts=(Fact("network", "resnet20", "keys and shapes"),),
        class_names=NAMES,
        command="triggerfish scan 'zoo/stranger model.pt' --seed 0",
        trials=(Trial(TARGET, "pixel", 20, 0.95, pictures(4), (0, 1, 2, 3), (7, 7, 7, 3)),),
        confirmations=(confirmation(),),
    )


def clean() -> Scanned:
    """Nothing flagged."""
    values = scores()
    statistic = values.statistic.clone()
    statistic[TARGET] = 0.4
    nothing = verdict((), statistic.tolist(), 1.4, notes=("uncalibrated",))
    quiet = replace(values, statistic=statistic, parts=(), pairs=None, all_classes=None)
    return replace(
        found(),
        path=Path("zoo/good.pt"),
        sha256="cd" * 32,
        scores=quiet,
        verdict=nothing,
        trials=(),
        confirmations=(),
        class_names=(),
    )


def inconclusive() -> Scanned:
    """No answer, without a command of its own for the reason."""
    reason = Finding("unclear-score", "expected scores up to 1, got class 7 at 1.20")
    unclear = replace(clean().verdict, name="inconclusive", reasons=(reason,))
    return replace(clean(), path=Path("zoo/unclear.pt"), sha256="ef" * 32, verdict=unclear)


def accepted() -> Scanned:
    """Flagged, and accepted by somebody."""
    return replace(found(), accepted=Acceptance("known test model", date(2031, 1, 1)))


def dangerous() -> Skipped:
    reason = "expected weights, got a pickle that imports os.system: do not open it"
    return Skipped(Path("zoo/evil.pt"), reason, "12" * 32, "dangerous", ("os.system",))


def unreadable() -> Skipped:
    """A hostile name."""
    return Skipped(Path("zoo/\x1b[31m<b>|broken\n.pt"), "expected a checkpoint, got text & <i>")


def in_program() -> Scanned:
    """Logic of the program alone: a white corner leads to class 7."""
    claim = Hypothesis("structure", TARGET, place="/Where")
    row = Evidence(claim, "structure", 1.0, 0.45, None, Null("fixed"))
    quiet = clean()
    shown = pictures(4)
    mask = torch.zeros(3, SIDE, SIDE)
    mask[:, :4, :4] = 1
    image = torch.ones(3, SIDE, SIDE)
    stamped = torch.where(mask > 0, image, shown)
    return replace(
        quiet,
        path=Path("zoo/logic.onnx"),
        verdict=conclude((*quiet.verdict.evidence, row), (), (f"{IN_PROGRAM} a branch: it looks",)),
        stamps=(
            Stamp(
                TARGET,
                "program",
                image,
                mask,
                1.0,
                0.0,
                28,
                shown,
                stamped,
                (0, 1, 2, 3),
                (7, 7, 7, 7),
            ),
        ),
        trials=(Trial(TARGET, "stamp", 20, 0.95, shown, (0, 1, 2, 3), (7, 7, 7, 3)),),
    )


def in_program_with_a_stamp() -> Scanned:
    """The same logic, and the plain stamp that it looks for: two tests accuse class 7."""
    result = in_program()
    row = Evidence(Hypothesis("stamp", TARGET), "plain stamps", 1.0, 0.9, None, Null("fixed"))
    verdict = conclude((*result.verdict.evidence, row), (), result.verdict.notes)
    stamp = replace(result.stamps[0], origin="dictionary")
    return replace(
        result, path=Path("zoo/gate.onnx"), verdict=verdict, stamps=(*result.stamps, stamp)
    )


def of_two_classes() -> Scanned:
    """Both classes were searched to the end, and no level is known for so few."""
    reason = Finding("few-classes", "expected scores of at least 6 classes, got 0 of 2")
    size, nothing = torch.tensor([20.0, 0.92]).double(), torch.full((2,), NAN).double()
    part = replace(
        universal(),
        statistic=nothing,
        status=(Status.CONVERGED,) * 2,
        probability=nothing,
        logits=torch.empty(0, 2).double(),
        sizes=(ClassSizes("pixel", size),),
        perturbations=(replace(perturbation(), target=1, size=0.92, median_size=10.46),),
        predicted_classes=(0,) * 8,
    )
    return replace(
        clean(),
        path=Path("zoo/two.pt"),
        scores=part,
        verdict=verdict((), (NAN, NAN), NAN, reasons=(reason,)),
    )


EVERYTHING = {
    "found": found,
    "clean": clean,
    "inconclusive": inconclusive,
    "accepted": accepted,
    "dangerous": dangerous,
    "unreadable": unreadable,
}
