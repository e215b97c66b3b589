import io
import struct
from pathlib import Path

import pytest
from runs.stub import CONFIG, make_models

from triggerfish.errors import CheckpointError
from triggerfish.loading import LoadOptions
from triggerfish.loading.hints import Hints
from triggerfish.runs.listing import read_list
from triggerfish.runs.model import Source, find_models
from triggerfish.runs.selection import Shard, select

FILES = ["a/clean.pt", "a/old/x.pt", "b/x.onnx", "b/clean-2.pt"]


@pytest.mark.parametrize(
    ("include", "exclude", "left"),
    [
        ((), (), FILES),
        (("*.pt",), (), ["a/clean.pt", "a/old/x.pt", "b/clean-2.pt"]),
        (("clean*",), (), ["a/clean.pt", "b/clean-2.pt"]),
        (("a/*",), (), ["a/clean.pt", "a/old/x.pt"]),
        ((), ("old/*",), ["a/clean.pt", "b/x.onnx", "b/clean-2.pt"]),
        (("*.pt", "*.onnx"), ("clean.pt", "x.*"), ["b/clean-2.pt"]),
        (("/data/b/*",), (), ["b/x.onnx", "b/clean-2.pt"]),
    ],
)
def test_patterns(include: tuple[str, ...], exclude: tuple[str, ...], left: list[str]) -> None:
    sources = [Source(Path("/data") / name) for name in FILES]
    found = select(sources, include, exclude)
    assert [source.path.relative_to("/data").as_posix() for source in found] == left


def test_shards_are_disjoint_complete_and_stable(tmp_path: Path) -> None:
    models = make_models(tmp_path, 60)
    shards = [[m for m in models if m in Shard(index, 3)] for index in (1, 2, 3)]
    assert sorted(m.key for shard in shards for m in shard) == sorted(m.key for m in models)
    assert all(10 < len(shard) < 30 for shard in shards)
    models[0].path.unlink()
    fewer = find_models([Source(m.path) for m in models[1:]], CONFIG)
    assert [m.key for m in fewer if m in Shard(2, 3)] == [
        m.key for m in shards[1] if m.key != models[0].key
    ]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_bad_shards(text: str) -> None:
    with pytest.raises(ValueError, match="expected a shard like 1/4"):
        Shard.parse(text)


GIVEN = LoadOptions(Hints("command line", num_classes=7, mean=(0.5,)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", 'path,arch,input_shape,mean,channels_last\n'
                  'a.pt,mlp,"3,8,8",,true\nb.pt,,,"0.1,0.2",\n'),
        ("l.jsonl", '{"path": "a.pt", "arch": "mlp", "input-shape": [3, 8, 8], '
                    '"channels_last": true}\n'
                    '\n{"path": "b.pt", "mean": [0.1, 0.2]}\n'),
    ],
)  # fmt: skip
def test_a_list_gives_each_model_its_options(name: str, text: str) -> None:
    a, b = read_list(io.StringIO(text), name, Path("/data"), GIVEN)
    assert (a.path, b.path) == (Path("/data/a.pt"), Path("/data/b.pt"))
    assert (a.options.given.architecture, a.options.given.input_shape) == ("mlp", (3, 8, 8))
    assert (a.options.given.mean, a.options.given.num_classes) == ((0.5,), 7)
    assert a.options.given.channels_last is True
    assert (b.options.given.mean, b.options.given.architecture) == ((0.1, 0.2), None)


def test_plain_lines_are_paths(tmp_path: Path) -> None:
    found = read_list(io.StringIO("a b.pt\n\n/x/c.pt\n"), "-", Path("d"), GIVEN)
    assert [source.path for source in found] == [Path("d/a b.pt"), Path("/x/c.pt")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"path": "a.pt"}\n{"arch": "mlp"}\n', 2),
        ('{"path": "a.pt", "size": 3}\n', 1),
        ('{"path": "a.pt", "input_shape": [3, 8]}\n', 1),
        ('{"path": \n', 1),
    ],
)
def test_a_bad_line_is_named(text: str, line: int) -> None:
    with pytest.raises(CheckpointError, match=rf"a path with .* in line {line} of l.jsonl"):
        list(read_list(io.StringIO(text), "l.jsonl", Path(), GIVEN))


def key(path: Path, options: LoadOptions | None = None) -> str:
    (model,) = find_models([Source(path, options or LoadOptions())], CONFIG)
    return model.key


def test_what_steers_the_loading_is_part_of_the_identity(tmp_path: Path) -> None:
    model = tmp_path / "m.pt"
    model.write_text("weights")
    code = tmp_path / "net.py"
    code.write_text("class Net: ...")
    by_code = LoadOptions(Hints("x", architecture=f"{code}:Net"))
    keys = [key(model), key(model, GIVEN), key(model, by_code)]
    code.write_text("class Net: pass")
    keys.append(key(model, by_code))
    (tmp_path / "m.card.toml").write_text("num_classes = 3")
    keys.append(key(model))
    (tmp_path / "m.card.toml").write_text("num_classes = 4")
    keys.append(key(model))
    assert len(set(keys)) == len(keys)
    again = LoadOptions(Hints("said elsewhere", num_classes=7, mean=(0.5,)))
    assert key(model, again) == key(model, GIVEN)
    cuda = [key(model, LoadOptions(device=device)) for device in ("cuda", "cuda:1", "cpu")]
    assert cuda[0] == cuda[1] != cuda[2]


def test_the_weights_beside_an_onnx_graph_are_part_of_its_identity(tmp_path: Path) -> None:
    name = b"some weights.bin"
    entry = b"\x0a\x08location\x12" + struct.pack("B", len(name)) + name
    (tmp_path / "net.onnx").write_bytes(b"\x08\x0a" + entry + b"more")
    keys = [key(tmp_path / "net.onnx")]
    for content in (b"one", b"two"):
        (tmp_path / name.decode()).write_bytes(content)
        keys.append(key(tmp_path / "net.onnx"))
    assert len(set(keys)) == 3


def test_real_onnx_files_name_their_weights(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from triggerfish.runs.model import files_beside

    tensor = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1000], bytes(4000), raw=True)
    value = onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [1000])
    graph = onnx.helper.make_graph([], "g", [], [value], initializer=[tensor])
    long = "x" * 150 + ".data"
    for location in ("weights.data", long):
        onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx", save_as_external_data=True,
                  location=location)  # fmt: skip
        assert files_beside(tmp_path / "net.onnx") == [tmp_path / location]
