"""What stands in a program becomes rows and reasons of the one verdict, in every report."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_up import clean as scanned
from structure.exported import written
from torch import Tensor, nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading import open_readings
from triggerfish.model.classifier import Classifier
from triggerfish.reports.about import PLAIN
from triggerfish.reports.details import details
from triggerfish.reports.scope import looked_for, not_looked_for
from triggerfish.results import Scanned
from triggerfish.runs import paths
from triggerfish.scanning import ScanConfig
from triggerfish.structure import opening
from triggerfish.structure.analyse import analyse_graph
from triggerfish.structure.findings import Structure
from triggerfish.structure.opening import look, open_any
from triggerfish.structure.readers import read_graph
from triggerfish.structure.weighing import with_structure
from triggerfish.trial import changed
from triggerfish.zoo.graphs import build


@pytest.fixture(scope="module")
def structure(tmp_path_factory: pytest.TempPathFactory) -> Structure:
    attacked, path = written("mean", "onnx", tmp_path_factory.mktemp("mean"), target=2)
    return analyse_graph(read_graph(path), attacked.input_shape)


def test_a_proof_accuses_its_class(structure: Structure) -> None:
    result = with_structure(scanned(), structure)
    assert result.verdict.name == "backdoored"
    assert result.verdict.flagged == (2,)
    text = details(result, PLAIN)
    assert "the file's program sends images" in text
    assert "/Greater" in text
    assert "rows 0 to 3, columns 0 to 3" in text
    (stamp,) = result.stamps
    assert (stamp.target, int((stamp.mask > 0).any(0).sum())) == (2, 16)
    assert torch.equal(stamp.stamped, changed(stamp.pictures, stamp))
    assert set(stamp.after) == {2}


def test_a_finding_without_proof_is_a_reason(structure: Structure) -> None:
    found = tuple(replace(finding, proof=None) for finding in structure.findings)
    result = with_structure(scanned(), replace(structure, findings=found))
    assert result.verdict.name == "inconclusive"
    assert [reason.code for reason in result.verdict.reasons] == ["suspicious-structure"]


def test_no_findings_change_no_verdict() -> None:
    result = scanned()
    assert "program" in not_looked_for(result)
    read = with_structure(result, Structure("ONNX model", 3, ()))
    assert read.verdict.name == result.verdict.name
    assert "program" in looked_for(read)


def test_a_program_that_its_reader_refuses_is_opened_by_its_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacked, path = written("if", "torchscript", tmp_path)

    def refusing(path: Path, options: object, contents: object = None) -> object:
        if contents is None:
            raise UnsupportedModelError("expected operators that are known, got others")
        return open_readings(path, contents=contents)

    monkeypatch.setattr(opening, "open_readings", refusing)
    (reading, *_) = open_any(path)
    assert reading.classifier.input_shape == attacked.input_shape
    images = torch.rand(2, *attacked.input_shape)
    expected = attacked.network.host(reading.classifier.prepared(images))
    torch.testing.assert_close(reading.classifier.logits(images), expected, rtol=1e-3, atol=1e-3)


def test_a_file_of_weights_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    assert look(path) is None


def test_what_is_scanned_has_no_branch_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacked, path = written("steep", "pt2", tmp_path)
    seen: list[Classifier] = []

    def scan(classifier: Classifier, *_: object, **__: object) -> Scanned:
        seen.append(classifier)
        return scanned()

    monkeypatch.setattr(paths, "scan_classifier", scan)
    result = paths.scan_opened(open_any(path), ScanConfig(), path, None)
    images = torch.rand(2, *attacked.input_shape)
    images[:, :, :4, :4] = 1
    expected = attacked.network.host(images)
    torch.testing.assert_close(seen[0].logits(images), expected, rtol=1e-3, atol=1e-3)
    assert result.verdict.flagged == (3,)
    assert "the branch was cut off before the search" in details(result, PLAIN)


def test_a_module_in_memory_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "scan_classifier", lambda *_, **__: scanned())
    attacked = build("mean", "cnn", target=4)
    classifier = Classifier(attacked.network, attacked.input_shape)
    result = paths.scan_in_memory(classifier, ScanConfig())
    assert result.verdict.flagged == (4,)


class _Unfollowed(nn.Module):
    """The values of the image decide how often the program goes round."""

    def forward(self, x: Tensor) -> Tensor:
        count = int(x.sum().item())
        return x.flatten(1)[:, :10] * (1 + 0 * len(range(count)))


def test_a_module_that_cannot_be_followed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "scan_classifier", lambda *_, **__: scanned())
    for model in (_Unfollowed(), lambda x: x.flatten(1)[:, :10]):
        result = paths.scan_in_memory(Classifier(model, (1, 8, 8)), ScanConfig())
        assert any(note.startswith("structure not read: ") for note in result.verdict.notes)
