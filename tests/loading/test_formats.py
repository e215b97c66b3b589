"""The same trained backdoored network in every format loads to the same logits and verdict."""

import warnings
from functools import cache
from pathlib import Path

import pytest
import torch
from saved_models import WRITERS, backdoored
from trained import TARGET

from triggerfish.api import scan
from triggerfish.detectors import MinNorm
from triggerfish.loading import (
    Hints,
    LoadOptions,
    Reading,
    find_checkpoints,
    open_model,
)
from triggerfish.loading.looks import looks_like_model
from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, Classifier, Preprocessing
from triggerfish.references.recognition import fingerprint
from triggerfish.results import Scanned


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old exporters warn that they are old
        for name, write in WRITERS.items():
            write(backdoored(), folder / name)
    return folder


def original() -> Classifier:
    return Classifier(
        backdoored(), (1, 28, 28), preprocessing=Preprocessing((MNIST_MEAN,), (MNIST_STD,))
    )


def opened(path: Path) -> Reading:
    given = Hints("options", mean=(MNIST_MEAN,), std=(MNIST_STD,))
    return open_model(path, LoadOptions(given), confined=True)


@cache
def expected_scan() -> Scanned:
    return scan(original(), MinNorm())


@pytest.mark.parametrize("name", WRITERS)
def test_same_logits_reference_and_verdict(saved: Path, name: str) -> None:
    # The child process repeats the load; test_sandbox.py tests it, here it would only cost time.
    loaded, expected = opened(saved / name).classifier, original()
    images = torch.rand(5, 1, 28, 28)
    assert loaded.output == "logits"
    assert loaded.input_shape == (1, 28, 28)
    torch.testing.assert_close(loaded.logits(images), expected.logits(images), atol=2e-4, rtol=1e-4)
    assert fingerprint(loaded) == fingerprint(expected)
    assert fingerprint(loaded)[0] != ""
    found, wanted = scan(loaded, MinNorm()), expected_scan()
    assert found.verdict.flagged == wanted.verdict.flagged == (TARGET,)
    assert found.verdict.name == wanted.verdict.name == "backdoored"
    torch.testing.assert_close(
        found.scores.statistic, wanted.scores.statistic, atol=0.05, rtol=0.05
    )


def test_all_are_found_in_their_folder(saved: Path) -> None:
    assert {path.name for path in find_checkpoints([saved])} == set(WRITERS)


def test_all_are_known_by_their_content(saved: Path) -> None:
    """A folder's scan passes over no model, whatever its name."""
    unknown = [
        name for name in WRITERS if (saved / name).is_file() and not looks_like_model(saved / name)
    ]
    assert unknown == []


def test_a_file_by_keras_itself() -> None:
    """Written by Keras 3.15 (see the test data's README): a functional model with branches."""
    data = Path(__file__).parent / "data"
    loaded = open_model(data / "keras_functional.h5", confined=True).classifier
    example = torch.load(data / "keras_functional.example", weights_only=True)
    probabilities = loaded.logits(example["images"]).softmax(1)
    torch.testing.assert_close(probabilities, example["probabilities"], atol=1e-6, rtol=1e-4)
