import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus.valid import keras, onnx_model
from safetensors.torch import save_file

from triggerfish.cli.exit_codes import exit_code
from triggerfish.loading import find_checkpoints, other_files, sha256_of
from triggerfish.reports.summary import outcome, summarize
from triggerfish.results import Skipped
from triggerfish.runs.paths import scan_path
from triggerfish.scanning import ScanConfig


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_folders_are_walked_in_order_and_other_files_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "b.pt", "a/z.onnx", "a/b.safetensors", "c.PTH")
    touch(tmp_path, "manifest.json", "x.png", "t.csv", ".hidden.pt", ".git/m.pt", "README.md")
    found = find_checkpoints([tmp_path])
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["a/b.safetensors", "a/z.onnx", "b.pt", "c.PTH"]


def test_named_paths_are_kept_whatever_they_are_and_once(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "m.pt")
    paths = [tmp_path / "notes.txt", tmp_path / "missing.pt", tmp_path, tmp_path / "m.pt"]
    found = find_checkpoints(paths)
    assert found == [tmp_path / "notes.txt", tmp_path / "missing.pt", tmp_path / "m.pt"]


def test_a_hugging_face_folder_is_one_model(tmp_path: Path) -> None:
    touch(tmp_path, "hub/net/config.json", "hub/net/model.safetensors", "hub/other.pt")
    assert find_checkpoints([tmp_path]) == [tmp_path / "hub/net", tmp_path / "hub/other.pt"]


def test_symbolic_link_loops_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/m.pt")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "self.pt").symlink_to("self.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    found = find_checkpoints([tmp_path])
    assert found == [tmp_path / "a/m.pt", tmp_path / "pipe.pt", tmp_path / "self.pt"]


def test_hashes(tmp_path: Path) -> None:
    touch(tmp_path, "m.pt", "d/config.json", "d/w.bin")
    # printf x | sha256sum
    known = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    assert sha256_of(tmp_path / "m.pt") == known
    before = sha256_of(tmp_path / "d")
    (tmp_path / "d/w.bin").write_bytes(b"y")
    assert sha256_of(tmp_path / "d") != before


def test_models_are_known_by_their_content(tmp_path: Path) -> None:
    """Under any name, of any framework: what looks like a model is never passed over."""
    state = {"fc.weight": torch.ones(2, 3)}
    torch.save(state, tmp_path / "zipped.dat")
    torch.save(state, tmp_path / "old.bak", _use_new_zipfile_serialization=False)
    (tmp_path / "pickled").write_bytes(pickle.dumps(state))
    save_file(state, tmp_path / "weights.txt")
    (tmp_path / "graph.data").write_bytes(onnx_model().SerializeToString())
    (tmp_path / "keras.data").write_bytes(keras())
    (tmp_path / "lite.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(32))
    (tmp_path / "renamed").write_bytes(b"\x1c\0\0\0TFL3" + bytes(32))
    models = {path.name for path in tmp_path.iterdir()}
    touch(tmp_path, "notes.md", "manifest.json", "picture.png")
    np.savez(tmp_path / "images.npz", x=np.ones(3))
    (tmp_path / "labels").write_bytes(pickle.dumps({"labels": np.ones(3)}))
    assert {path.name for path in find_checkpoints([tmp_path])} == models
    assert other_files([tmp_path]) == {".json": 1, ".md": 1, ".npz": 1, ".png": 1, "no suffix": 1}


@pytest.mark.parametrize("name", ["net.gguf", "renamed.dat"])
def test_an_unread_model_beside_a_clean_one_is_exit_code_3(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"GGUF\3\0\0\0" + bytes(32))
    (found,) = find_checkpoints([tmp_path])
    result = scan_path(found, ScanConfig())
    assert isinstance(result, Skipped)
    assert "GGUF" in result.reason
    assert exit_code(summarize(["clean", outcome(result)])) == 3
