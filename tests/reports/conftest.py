from pathlib import Path

import pytest
import torch
from verdicts import verdict

from triggerfish.results import ClassScores, Finding, Null, Scanned, Skipped, Status


@pytest.fixture
def backdoored() -> Scanned:
    """Three classes: 2 is flagged, 1 could not be measured."""
    images = torch.zeros(3, 1, 2, 2)
    images[2, 0, 0] = torch.tensor([1.0, 0.5])
    return Scanned(
        path=Path("zoo/bad.pt"),
        sha256="ab" * 32,
        detector="l1-weight",
        scores=ClassScores(
            name="best_l1_weight",
            statistic=torch.tensor([0.25, float("nan"), 7.5], dtype=torch.float64),
            status=(Status.CONVERGED, Status.UNREACHABLE, Status.CONVERGED),
            images=images,
            probability=torch.tensor([0.99995, 0.5, 0.99999], dtype=torch.float64),
            logits=torch.tensor([[9.5, 0, 0], [0, 1, 1.25], [-1, 0, 12]], dtype=torch.float64),
            details={"l1_norm": torch.tensor([20.0, 0.0, 1.5])},
        ),
        verdict=verdict(
            (2,),
            (0.5, float("nan"), 24.125),
            3.5,
            seen_by={2: ("l1-weight",)},
            reasons=(Finding("unreachable", "class 1 unreachable"),),
        ),
        config={"detector": "l1-weight", "settings": {"steps": 100}, "threshold": 3.5},
        seconds=1.25,
        environment={"torch": "2.x"},
    )


@pytest.fixture
def clean(backdoored: Scanned) -> Scanned:
    """The same numbers, judged clean."""
    return Scanned(
        path=Path("zoo/good.pt"),
        sha256="cd" * 32,
        detector=backdoored.detector,
        scores=backdoored.scores,
        verdict=verdict(
            (),
            (0.5, 0.25, 1.0),
            3.5,
            p_value=0.5,
            null=Null("same-recipe", "mnist, paper_cnn", 99),
        ),
        config=backdoored.config,
        seconds=0.5,
    )


@pytest.fixture
def skipped() -> Skipped:
    """A hostile name and a reason."""
    return Skipped(Path("zoo/\x1b[31mbroken.pt"), "expected a checkpoint, got text: remove it")
