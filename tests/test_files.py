import os
from pathlib import Path

import pytest

from triggerfish.errors import CheckpointError, OutputError, described, one_line
from triggerfish.files import ensure_writable, sha256_of, write_file


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("first\nlast"), "first"),
        (ValueError("\n  first \n"), "first"),
        (ValueError(), "ValueError"),
        (OSError(28, "No space left on device", "/some/file"), "No space left on device"),
        (ValueError("x" * 500), "x" * 196 + " ..."),
        (ValueError("words " * 50), "words " * 31 + "words ..."),
    ],
)
def test_one_line(error: Exception, line: str) -> None:
    assert one_line(error) == line


def test_the_last_line_where_the_cause_is_there() -> None:
    assert one_line(RuntimeError("Traceback\n  line\ncause\n"), last=True) == "cause"


def test_an_unexpected_error_names_its_place() -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError as error:
        text = described(error)
    assert text.startswith("ZeroDivisionError: integer division or modulo by zero (test_files.py:")


def test_a_pipe_has_no_hash(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="expected a regular file"):
        sha256_of(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="no such file"):
        sha256_of(tmp_path / "missing")


def test_names_that_are_no_text_have_a_hash(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"x")
    assert len(sha256_of(tmp_path)) == 64


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(OutputError, match=r"expected a writable .*table.csv"):
        write_file(tmp_path / "table.csv", b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]
    with pytest.raises(OutputError):
        ensure_writable(Path("/proc/none"))


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
