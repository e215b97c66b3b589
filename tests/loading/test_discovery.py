import os
from pathlib import Path

from triggerfish.loading import find_checkpoints, sha256_of


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
