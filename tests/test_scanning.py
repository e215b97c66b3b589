import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scored import reference
from torch import nn
from trained import TARGET, classifier, network

from triggerfish.api import scan, scan_files
from triggerfish.architectures.paper_cnn import PaperCNN
from triggerfish.detectors import (
    DETECTORS,
    MMBD,
    Ensemble,
    L1Weight,
    LastLayer,
    MinNorm,
    PairwiseNorm,
    Universal,
    UniversalPairs,
)
from triggerfish.errors import CheckpointError
from triggerfish.loading import LoadOptions, load_classifier
from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, Classifier, Preprocessing
from triggerfish.references.store import render_reference
from triggerfish.reports.columns import columns
from triggerfish.results import Assumption, Fact, Scanned, Skipped
from triggerfish.runs.files import FileScan, find_sources
from triggerfish.runs.paths import scan_path
from triggerfish.scanning import ScanConfig, published, scan_classifier
from triggerfish.verdict.judge import Judge

QUICK = ScanConfig(MinNorm(steps=3, rounds=1))
TINY_SETTINGS = {
    "ensemble": Ensemble(fast=True, steps=3, universal_steps=3, pictures=40),
    "min-norm": QUICK.detector,
    "universal": Universal(universal_steps=3, pictures=40, margin_steps=3),
    "pairwise-norm": PairwiseNorm(steps=3, rounds=1, baselines=(0.0, 0.5), exemplar_log_odds=0.5),
    "universal-pairs": UniversalPairs(universal_steps=3, pictures=400, runs=1),
    "l1-weight": L1Weight(steps=3, halvings=2, max_l1_weight=4),
    "mm-bd": MMBD(starts=2, steps=3),
    "last-layer": LastLayer(),
}


def test_three_lines_find_the_target_and_clear_the_twin():
    options = {
        "input_shape": (1, 28, 28),
        "preprocessing": Preprocessing((MNIST_MEAN,), (MNIST_STD,)),
    }
    assert str(scan(network(backdoored=True), **options).verdict) == (
        f"backdoored (target class {TARGET})"
    )
    twin = scan(network(backdoored=False), **options).verdict
    # On some processors one of its classes is small on images of any kind: then it says so.
    assert (twin.accused, {reason.code for reason in twin.reasons}) in [
        ((), set()),
        ((), {"detectors-disagree"}),
    ]
    assert twin.name == ("inconclusive" if twin.reasons else "clean")


def test_the_published_preset_names_the_target():
    verdict = scan_classifier(classifier(backdoored=True), published(L1Weight(halvings=6))).verdict
    assert TARGET in verdict.flagged


@pytest.mark.parametrize("backdoored", [True, False])
def test_the_size_of_the_batches_changes_no_verdict(backdoored):
    model = classifier(backdoored=backdoored)
    whole, parts = (scan(model, MinNorm(memory_mib=budget)).verdict for budget in (512.0, 6.0))
    assert (whole.name, whole.flagged) == (parts.name, parts.flagged)


def tiny_models():
    torch.manual_seed(0)
    yield "mlp", nn.Sequential(nn.Flatten(), nn.Linear(48, 7)), (3, 4, 4)
    yield "cnn", PaperCNN(num_classes=6), (1, 28, 28)
    batch_norm = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(),
        nn.Linear(144, 8),
    )  # fmt: skip
    yield "batch norm, dropout", batch_norm, (1, 8, 8)


@pytest.mark.parametrize("detector", list(DETECTORS))
@pytest.mark.parametrize(("name", "model", "shape"), list(tiny_models()))
def test_contract_of_every_detector_on_every_model(detector, name, model, shape):
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    result, again = (scan(model, TINY_SETTINGS[detector], input_shape=shape) for _ in range(2))
    scores, count = result.scores, len(result.scores.status)
    assert scores.statistic.shape == scores.probability.shape == (count,)
    assert scores.statistic.dtype == torch.float64
    assert scores.images.shape == (len(scores.classes), *shape)
    assert scores.logits.shape == (len(scores.classes), count)
    assert len(result.verdict.anomaly_index) == count
    for vector in columns(scores).values():
        assert vector.shape == (count,)
    np.testing.assert_array_equal(scores.statistic.numpy(), again.scores.statistic.numpy())
    assert torch.equal(scores.images, again.scores.images)
    assert scores.all_classes == again.scores.all_classes
    for perturbation, same in zip(scores.perturbations, again.scores.perturbations, strict=True):
        assert torch.equal(perturbation.delta, same.delta)
        assert perturbation.delta.shape == shape
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_model_that_fails_halfway_is_skipped_with_its_own_words(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"something")

    def picky(x):
        if len(x) > 4:
            raise RuntimeError("batch too large for me")
        return x.flatten(1)[:, :6]

    result = scan_path(path, QUICK, load=lambda _: Classifier(picky, (1, 4, 4), output="logits"))
    assert isinstance(result, Skipped)
    assert "batch too large for me" in result.reason


def test_a_model_without_gradients_is_skipped(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"something")
    load = lambda _: Classifier(lambda x: x.detach().flatten(1)[:, :6], (1, 4, 4), output="logits")  # noqa: E731
    result = scan_path(path, QUICK, load=load)
    assert isinstance(result, Skipped)
    assert "expected a differentiable model" in result.reason


@pytest.fixture
def files(tmp_path) -> list[Path]:
    paths = []
    for seed in range(3):
        torch.manual_seed(seed)
        paths.append(tmp_path / f"model_{seed}.pt")
        torch.save(PaperCNN().state_dict(), paths[-1])
    paths.insert(1, tmp_path / "broken.pt")
    paths[1].write_bytes(b"not a model")
    return paths


def test_processes_give_what_one_process_gives_in_the_same_order(files):
    alone, together = list(scan_files(files, QUICK)), list(scan_files(files, QUICK, jobs=2))
    assert [r.path for r in together] == files
    assert [type(r) for r in alone] == [Scanned, Skipped, Scanned, Scanned]
    for a, b in zip(alone, together, strict=True):
        assert type(a) is type(b)
        if isinstance(a, Scanned):
            assert a.sha256 == b.sha256
            assert torch.equal(a.scores.images, b.scores.images)


def load_or_die(deadly: Path, options: LoadOptions, path: Path) -> Classifier:
    if path == deadly:
        os._exit(9)
    return load_classifier(path)


def test_a_process_that_dies_costs_its_own_model_alone(files):
    load = partial(load_or_die, files[0])
    batch = FileScan(QUICK, jobs=2, load=load).start(find_sources([files[0], files[2]]))
    results = [row.result for row in batch.rows()]
    assert [type(r) for r in results] == [Skipped, Scanned]
    assert "process that died" in results[0].reason


def test_config_is_stored_in_full():
    result = scan_classifier(classifier(backdoored=False), QUICK)
    assert result.config["settings"]["steps"] == 3
    assert result.config["judge"]["false_positive_rate"] == 0.001
    assert {"torch", "triggerfish", "device", "threads"} <= result.environment.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"detector": "magic"}, "expected a detector of"),
        ({"detector": L1Weight}, "expected a detector of"),
        ({"judge": Judge("largest"), "detector": MMBD()}, "expected --threshold with"),
    ],
)
def test_config_is_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        ScanConfig(**arguments)


def test_a_module_needs_its_input_shape():
    with pytest.raises(ValueError, match="input_shape"):
        scan(PaperCNN())


@pytest.mark.parametrize(
    "extra", [{"input_shape": (1, 28, 28)}, {"preprocessing": Preprocessing()}]
)
def test_a_classifier_has_its_own_shape_and_preprocessing(extra):
    with pytest.raises(ValueError, match="a Classifier alone"):
        scan(Classifier(PaperCNN(), (1, 28, 28)), **extra)


def test_a_reference_of_another_detector_is_refused_before_the_search(tmp_path):
    path = tmp_path / "reference.json"
    path.write_text(render_reference(reference()))
    with pytest.raises(ValueError, match="expected a reference made with mm-bd"):
        scan(PaperCNN(), MMBD(), reference=path, input_shape=(1, 28, 28))
    with pytest.raises(CheckpointError, match="expected a reference file"):
        scan(PaperCNN(), reference=tmp_path / "none.json", input_shape=(1, 28, 28))


def test_what_was_assumed_and_what_was_said_about_a_model_is_in_its_result():
    assumed = (Assumption("mean", "0.1307", "usual for 1x28x28"),)
    said = (Fact("arch", "paper_cnn", "options"),)
    model = Classifier(PaperCNN(), (1, 28, 28), assumptions=assumed, facts=said)
    result = scan_classifier(model, ScanConfig(LastLayer()))
    assert (result.assumptions, result.facts) == (assumed, said)


def test_a_scan_in_python_uses_one_thread_and_gives_the_others_back(monkeypatch) -> None:
    """With two a busy machine took 35 times as long as by command."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = scan(classifier(backdoored=False), MinNorm(steps=3, restarts=1))
        assert result.environment["threads"] == "1"
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
