"""A path is analysed in a child process, and what it finds comes back whole."""

from pathlib import Path

import pytest
import torch
from structure.exported import written

from triggerfish.errors import CheckpointError
from triggerfish.structure import analyse
from triggerfish.structure.analyse import analyse_graph, structure_from, structure_to
from triggerfish.structure.readers import read_graph


def test_a_file_in_a_child_process(tmp_path: Path) -> None:
    _, path = written("pixels", "onnx", tmp_path, target=6)
    structure = analyse(path)
    assert (structure.format, structure.targets) == ("ONNX model", (6,))
    (finding,) = structure.findings
    assert finding.kind == "branch"
    assert "pixels" in finding.text
    assert finding.proof is not None
    assert set(finding.proof.mask.unique().tolist()) <= {0.0, 1.0}


def test_weights_alone_have_no_findings(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    assert analyse(path).findings == ()


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    _, path = written("pixels", "onnx", tmp_path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError):
        analyse(path)


def test_findings_survive_as_plain_data(tmp_path: Path) -> None:
    attacked, path = written("mean", "pt2", tmp_path)
    structure = analyse_graph(read_graph(path), attacked.input_shape)
    again = structure_from(structure_to(structure))
    (first,), (second,) = structure.findings, again.findings
    assert first.proof is not None
    assert second.proof is not None
    assert torch.equal(first.proof.image, second.proof.image)
    assert torch.equal(first.proof.mask, second.proof.mask)
    assert (first.text, first.nodes) == (second.text, second.nodes)
