from pathlib import Path

import pytest

from triggerfish.errors import OutputError
from triggerfish.files import ensure_writable, write_file
from triggerfish.writer import read_result, result_folder


def finished(folder: Path, path: str) -> None:
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(f'{{"path": "{path}"}}')


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match=r"^expected a writable .*/out, got 'File exists'"):
        ensure_writable(tmp_path / "out")


def test_ensure_writable_makes_the_folder_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    ensure_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_write_that_fails_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "table.csv"
    write_file(file, b"old")

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_file(file, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("table.csv", b"old")]


def test_models_of_one_name_get_folders_of_their_own(tmp_path: Path) -> None:
    finished(tmp_path / "model", "a/model.pt")
    assert result_folder(tmp_path, Path("a/model.pt")) == tmp_path / "model"
    assert result_folder(tmp_path, Path("b/model.pt")) == tmp_path / "model-2"
    finished(tmp_path / "model-2", "b/model.pt")
    assert result_folder(tmp_path, Path("a/model.pth")) == tmp_path / "model-3"
    assert result_folder(tmp_path, Path("b/model.pt")) == tmp_path / "model-2"


def test_an_unfinished_folder_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "class_0.png").write_bytes(b"")
    assert result_folder(tmp_path, Path("model.pt")) == tmp_path / "model"


@pytest.mark.parametrize("name", [".", ".."])
def test_no_path_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    assert result_folder(tmp_path, Path(name)).resolve().parent == tmp_path.resolve()


def test_a_foreign_result_file_is_an_error_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("not json")
    with pytest.raises(OutputError, match="expected a result of a scan"):
        read_result(tmp_path)
