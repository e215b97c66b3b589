"""TensorFlow.js layers models: what TensorFlow.js answers, and everything else refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from triggerfish.errors import CheckpointError, DangerousFileError, UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, find_checkpoints, open_model
from triggerfish.loading.format import recognise

DATA = Path(__file__).parents[1] / "data"
GIVEN = LoadOptions(Hints("options", mean=(0.0,), std=(1.0,), input_range=(0.0, 1.0)))
FILES = ["seq_uint8", "seq_uint16", "seq_float16", "functional"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATA / "tfjs_seq_uint8", tmp_path / "model"))


def changed(folder: Path, **values: object) -> Path:
    """The model.json with other values in it."""
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return path


@pytest.mark.parametrize("name", FILES)
def test_answers_by_tensorflow_js_itself(name: str) -> None:
    folder = DATA / f"tfjs_{name}"
    example = json.loads((folder / "example.json").read_text())
    classifier = open_model(folder / "model.json", GIVEN, confined=True).classifier
    images = torch.tensor(example["x"]).view(example["shape"]).permute(0, 3, 1, 2)
    answers = classifier.logits(images)
    answers = answers if name == "functional" else answers.softmax(1)
    expected = torch.tensor(example["y"]).view(3, -1)
    torch.testing.assert_close(answers, expected, rtol=1e-4, atol=1e-5)
    assert classifier.output == "logits"


def test_shards_are_no_models_of_their_own_unless_they_look_like_one(folder: Path) -> None:
    assert find_checkpoints([folder]) == [folder / "model.json"]
    torch.save({"w": torch.ones(2)}, folder / "group1-shard1of2.bin")
    assert folder / "group1-shard1of2.bin" in find_checkpoints([folder])


def test_a_manifest_alone_is_a_state_dict(folder: Path) -> None:
    data = json.loads((folder / "model.json").read_text())
    separable = "separable_conv2d"
    manifest = data["weightsManifest"]
    names = [entry["name"] for entry in manifest[0]["weights"]]
    assert any(separable in name for name in names)  # no plain chain: it says so
    (folder / "model.json").write_text(json.dumps(manifest))
    kind, head = recognise(folder / "model.json")
    with pytest.raises(UnsupportedModelError, match="plain chain"):
        kind.read(folder / "model.json", head, LoadOptions())


def test_a_manifest_of_a_chain(tmp_path: Path) -> None:
    kernel = torch.arange(3 * 3 * 1 * 2).float().view(3, 3, 1, 2)
    dense = torch.arange(8 * 4).float().view(8, 4)
    (tmp_path / "w").write_bytes(kernel.numpy().tobytes() + dense.numpy().tobytes())
    weights = [
        {"name": "conv/kernel", "shape": [3, 3, 1, 2], "dtype": "float32"},
        {"name": "out/kernel", "shape": [8, 4], "dtype": "float32"},
    ]
    path = tmp_path / "weights_manifest.json"
    path.write_text(json.dumps([{"paths": ["w"], "weights": weights}]))
    kind, head = recognise(path)
    state = kind.read(path, head, LoadOptions()).state
    assert state is not None
    torch.testing.assert_close(state["conv.weight"], kernel.permute(3, 2, 0, 1))
    # The dense layer takes (H, W, C) there, and (C, H, W) here.
    turned = dense.view(2, 2, 2, 4).permute(3, 2, 0, 1).reshape(4, 8)
    torch.testing.assert_close(state["out.weight"], turned)


def test_a_graph_model_is_named(folder: Path) -> None:
    path = changed(folder, format="graph-model", modelTopology={"node": []})
    with pytest.raises(UnsupportedModelError, match=r"got a TensorFlow\.js graph model"):
        open_model(path, GIVEN)
    path = changed(folder, format="other", modelTopology={"a": 1})
    with pytest.raises(UnsupportedModelError, match="got a graph model"):
        open_model(path, GIVEN)


def test_code_in_its_config_is_dangerous(folder: Path) -> None:
    layer = {"class_name": "Lambda", "config": {"name": "x"}}
    path = changed(folder, modelTopology={"class_name": "Sequential", "config": [layer]})
    with pytest.raises(DangerousFileError, match="Lambda"):
        open_model(path, GIVEN)


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["../secret.bin"], "shards beside"),
        (["missing.bin"], "shards beside"),
        (["/etc/hostname"], "shards beside"),
        (["group1-shard1of2.bin"], "values of"),
        (["group1-shard1of2.bin", "group1-shard2of2.bin", "more.bin"], "expected shards of"),
    ],
)
def test_shards_must_be_beside_it_and_whole(folder: Path, paths: list[str], words: str) -> None:
    (folder / "more.bin").write_bytes(b"more")
    manifest = json.loads((folder / "model.json").read_text())["weightsManifest"]
    path = changed(folder, weightsManifest=[{**manifest[0], "paths": paths}])
    with pytest.raises(CheckpointError, match=words):
        open_model(path, GIVEN)


@pytest.mark.parametrize(
    "entry",
    [
        {"shape": [1 << 40, 1 << 40]},
        {"shape": [-1, 3]},
        {"shape": "ab"},
        {"dtype": "string"},
        {"quantization": {"dtype": "uint8"}},
    ],
)
def test_weights_that_cannot_be_are_refused(folder: Path, entry: dict[str, object]) -> None:
    manifest = json.loads((folder / "model.json").read_text())["weightsManifest"]
    manifest[0]["weights"][0] |= entry
    with pytest.raises((CheckpointError, UnsupportedModelError)):
        open_model(changed(folder, weightsManifest=manifest), GIVEN)
