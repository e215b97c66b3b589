"""The examples run as they stand."""

import runpy
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

import triggerfish as tf
from triggerfish.architectures import PaperCNN

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_network_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "own_module.py"), run_name="__main__")
    verdict, *perturbations = capsys.readouterr().out.splitlines()
    assert verdict == "backdoored (target class 7)"
    assert perturbations[0].startswith("towards class 7: ")
    assert " pixels, the median class needs " in perturbations[0]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """One file without a backdoor, for which the scan finds a network, and one that is damaged."""
    torch.manual_seed(3)
    network = PaperCNN()
    with torch.no_grad():
        network.fc2.weight *= 40
    torch.save(network.state_dict(), tmp_path / "fine.pt")
    content = (tmp_path / "fine.pt").read_bytes()
    (tmp_path / "torn.pt").write_bytes(content[: len(content) // 2])
    return tmp_path


def test_a_gate(models: Path) -> None:
    decisions = runpy.run_path(str(EXAMPLES / "gate.py"))["decisions"]
    fine, torn = decisions([models], tf.ScanConfig(tf.MinNorm(steps=4)), None, 1)
    assert (fine.path, fine.action, fine.because) == (models / "fine.pt", "admit", "clean")
    assert (torn.path, torn.action) == (models / "torn.pt", "hold")
    assert torn.because.startswith("skipped; the zip archive is damaged")


def test_a_gate_by_its_exit_code(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    main = runpy.run_path(str(EXAMPLES / "gate.py"))["main"]
    (models / "fine.pt").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()
    for folder, code, said in ((models, 1, f"hold    {models / 'torn.pt'}: skipped; "),
                               (empty, 2, f"error: {empty}: no model files\n")):  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["gate.py", str(folder)])
        assert main() == code
        assert "".join(capsys.readouterr()).startswith(said)


def test_the_notebook_ends_in_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # another test runs beside it
    notebook = nbformat.read(EXAMPLES / "stranger.ipynb", as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    texts = [output["text"] for cell in notebook.cells for output in cell.get("outputs", ())
             if output.output_type == "stream"]  # fmt: skip
    assert texts[-1] == "stranger.pt: reject (backdoored (target class 7))\n"
    lines = [line for text in texts for line in text.splitlines() if line[1:3] == " x"]
    shares = [
        int(line.split()[5].rstrip("%")) for line in lines
    ]  # at 1, 2 and 3 times the perturbation
    assert len(shares) == 3
    assert shares[2] > max(40, shares[0])  # how many depends on the version that trained it


def test_the_notebook_is_stored_without_what_it_prints() -> None:
    notebook = nbformat.read(EXAMPLES / "stranger.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
