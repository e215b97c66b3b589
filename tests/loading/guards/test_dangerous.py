"""A file that would run code says so, with every name that it imports."""

import io
import pickle
from pathlib import Path

import pytest
import torch
from corpus.pickles import Call, dumps
from corpus.valid import entry, rewrite, state_dict, torch_bytes, torchscript

from triggerfish.errors import CheckpointError, DangerousFileError
from triggerfish.loading import open_model
from triggerfish.loading.guards.pickle_scan import scan_pickle

CALLS = [Call("os", "system", ("x",)), Call("builtins", "exec", ("y",))]


def imports(path: Path) -> tuple[str, ...]:
    with pytest.raises(DangerousFileError) as caught:
        open_model(path)
    assert isinstance(caught.value, CheckpointError)
    assert "\n" not in str(caught.value)
    return caught.value.imports


def test_all_names_of_a_zip_file(tmp_path: Path) -> None:
    data = dumps({"w": CALLS})
    (tmp_path / "m.pt").write_bytes(rewrite(torch_bytes(state_dict()), {"data.pkl": data}))
    assert imports(tmp_path / "m.pt") == ("os.system", "builtins.exec")


def test_all_names_of_an_old_file_whichever_of_its_pickles_has_them(tmp_path: Path) -> None:
    legacy = torch_bytes({"w": torch.ones(1), "x": 1}, legacy=True)
    start = legacy.index(b"\x80\x02", legacy.index(b"little_endian"))
    spoiled = legacy[:start] + dumps(CALLS[0]) + dumps(CALLS[1]) + b"rest"
    (tmp_path / "m.pth").write_bytes(spoiled)
    assert imports(tmp_path / "m.pth") == ("os.system", "builtins.exec")


@pytest.mark.parametrize("protocol", range(6))
def test_all_names_of_a_plain_pickle(protocol: int, tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps([print, {"a": Path("x")}, print], protocol))
    found = imports(tmp_path / "m.pkl")
    assert {name.rpartition(".")[2] for name in found} == {"print"}  # a path does nothing


def test_names_in_a_pickle_inside_a_pickle(tmp_path: Path) -> None:
    inner = pickle.dumps(print, 0)
    for protocol in (2, 4):
        outer = pickle.dumps({"code": pickle.dumps([pickle.loads, inner])}, protocol)
        names = scan_pickle(io.BytesIO(outer)).names
        assert list(names) in (
            ["_codecs.encode", "_pickle.loads", "builtins.print", "__builtin__.print"],
            ["_codecs.encode", "_pickle.loads", "__builtin__.print"],
            ["_pickle.loads", "__builtin__.print"],
        )


def test_a_name_that_is_computed_is_a_name(tmp_path: Path) -> None:
    """STACK_GLOBAL on strings that were not pushed just before."""
    program = b"\x80\x04" + b"\x8c\x02os" + b"\x8c\x06system" + b"N0" + b"\x93."
    assert list(scan_pickle(io.BytesIO(program)).names) == ["a name that is computed"]
    fetched = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94N0h\x00h\x01\x93."
    assert list(scan_pickle(io.BytesIO(fetched)).names) == ["os.system"]


def test_names_before_the_damage_count(tmp_path: Path) -> None:
    data = dumps({"w": CALLS})[:-4]
    (tmp_path / "m.pkl").write_bytes(data)
    assert imports(tmp_path / "m.pkl") == ("os.system", "builtins.exec")


def test_names_of_torchscript(tmp_path: Path) -> None:
    name = "code/__torch__/corpus/valid.py"
    code = entry(torchscript(), name).decode()
    head = code[: code.rindex("    return ")]
    evil = 'torch.save(x, "f")\n    _9 = ops.evil.run(x)\n    return x\n'
    data = rewrite(torchscript(), {name: f"{head}    {evil}".encode()})
    (tmp_path / "m.pt").write_bytes(data)
    assert imports(tmp_path / "m.pt") == ("ops.evil.run", "torch.save")


def test_remote_code_of_a_hugging_face_folder(tmp_path: Path) -> None:
    auto_map = '{"AutoConfig": "evil.Config", "AutoModelForImageClassification": "evil.Net"}'
    (tmp_path / "config.json").write_text(f'{{"model_type": "resnet", "auto_map": {auto_map}}}')
    (tmp_path / "model.safetensors").write_bytes(b"x")
    assert imports(tmp_path) == ("evil.Config", "evil.Net")


def test_the_error_survives_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(DangerousFileError("expected x, got y", ("os.system",))))
    assert (str(error), error.imports) == ("expected x, got y", ("os.system",))
