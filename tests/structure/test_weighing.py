"""What stands in a program becomes rows and reasons of the one verdict, in every report."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from made_up import clean as scanned
from structure.exported import written

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading import open_readings
from triggerfish.reports.about import PLAIN
from triggerfish.reports.details import details
from triggerfish.structure import opening
from triggerfish.structure.analyse import analyse_graph
from triggerfish.structure.findings import Structure
from triggerfish.structure.opening import look, open_any
from triggerfish.structure.readers import read_graph
from triggerfish.structure.weighing import with_structure


@pytest.fixture(scope="module")
def structure(tmp_path_factory: pytest.TempPathFactory) -> Structure:
    attacked, path = written("mean", "onnx", tmp_path_factory.mktemp("mean"), target=2)
    return analyse_graph(read_graph(path), attacked.input_shape)


def test_a_proof_accuses_its_class(structure: Structure) -> None:
    result = with_structure(scanned(), structure)
    assert result.verdict.name == "backdoored"
    assert result.verdict.flagged == (2,)
    text = details(result, PLAIN)
    assert "logic in the file's program" in text
    assert "/Greater" in text
    assert "rows 0 to 3, columns 0 to 3" in text


def test_a_finding_without_proof_is_a_reason(structure: Structure) -> None:
    found = tuple(replace(finding, proof=None) for finding in structure.findings)
    result = with_structure(scanned(), replace(structure, findings=found))
    assert result.verdict.name == "inconclusive"
    assert [reason.code for reason in result.verdict.reasons] == ["suspicious-structure"]


def test_no_findings_change_nothing() -> None:
    result = scanned()
    assert with_structure(result, None) is result
    assert with_structure(result, Structure("ONNX model", 3, ())) is result


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
