import pytest

from triggerfish.errors import OutputError
from triggerfish.files import write_atomically
from triggerfish.zoo.manifest import Entry, read_manifest, write_manifest

ENTRY = Entry("b.pt", "00", 1, {"seed": 1}, (3,), 0.99, 1.0, True, 2.5)


def test_what_is_written_is_read_back_sorted(tmp_path):
    first = Entry("a.pt", "11", 2, {}, (), 0.9, None, None, 1.0)
    write_manifest(tmp_path, [ENTRY, first])
    assert list(read_manifest(tmp_path).values()) == [first, ENTRY]


def test_a_folder_without_manifest_is_an_empty_zoo(tmp_path):
    assert read_manifest(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "{}", '{"models": [{"file": "a.pt"}]}', "[]"])
def test_a_broken_manifest_is_our_error(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(OutputError, match=r"manifest\.json"):
        read_manifest(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.pt"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_atomically(path, fail)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("model.pt", "old")]
