import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from triggerfish.errors import DangerousFileError, UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, open_model

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hf") / "resnet"
    config = transformers.ResNetConfig(
        num_channels=1, embedding_size=8, hidden_sizes=[8], depths=[1], num_labels=4
    )
    transformers.ResNetForImageClassification(config).save_pretrained(path)
    preprocessor = {
        "image_mean": [0.5],
        "image_std": [0.25],
        "do_normalize": True,
        "do_rescale": False,
        "size": {"height": 16, "width": 16},
    }
    (path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return path


def test_a_folder_by_transformers_itself(folder: Path) -> None:
    loaded = open_model(folder)
    images = torch.rand(3, 1, 16, 16)
    reference = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = reference((images * 255 - 0.5) / 0.25).logits
    torch.testing.assert_close(loaded.classifier.logits(images), expected, atol=1e-4, rtol=1e-4)
    assert loaded.classifier.input_shape == (1, 16, 16)
    assert loaded.classifier.num_classes == 4


def test_a_missing_weight_is_never_made_up(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    state.pop("classifier.1.weight")
    # As many values as before, so that only the key is missing.
    save_file({**state, "other": torch.ones(4, 8)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(UnsupportedModelError, match=r"1 missing: classifier\.1\.weight"):
        open_model(tmp_path)


def deit(kind: str) -> Any:
    config = transformers.DeiTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=16, patch_size=8, num_labels=5,
    )  # fmt: skip
    return getattr(transformers, kind)(config).eval()


def levit(kind: str) -> Any:
    config = transformers.LevitConfig(
        image_size=64, hidden_sizes=[16, 24, 32], num_attention_heads=[2, 2, 2],
        depths=[1, 1, 1], key_dim=[8, 8, 8], num_labels=5,
    )  # fmt: skip
    return getattr(transformers, kind)(config).eval()


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (deit, "DeiTForImageClassification"),
        (deit, "DeiTForImageClassificationWithTeacher"),
        (levit, "LevitForImageClassification"),
        (levit, "LevitForImageClassificationWithTeacher"),
    ],
)
def test_a_config_with_two_classifiers(make: Any, kind: str, tmp_path: Path) -> None:
    network = make(kind)
    network.save_pretrained(tmp_path)
    loaded = open_model(tmp_path, LoadOptions(Hints("options", mean=(0.0,), std=(1.0,))))
    images = torch.rand(3, *loaded.classifier.input_shape)
    with torch.no_grad():
        expected = network(images).logits
    torch.testing.assert_close(loaded.classifier.logits(images), expected, atol=1e-4, rtol=1e-4)


@pytest.fixture
def bgr(tmp_path: Path) -> Path:
    """A colour network whose processor reverses the channels and has its own factor."""
    config = transformers.ResNetConfig(
        num_channels=3, embedding_size=8, hidden_sizes=[8], depths=[1], num_labels=4
    )
    transformers.ResNetForImageClassification(config).save_pretrained(tmp_path)
    processor = {
        "image_processor_type": "MobileViTImageProcessor",
        "rescale_factor": 1 / 127.5,
        "size": {"shortest_edge": 20},
        "crop_size": {"height": 16, "width": 16},
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    return tmp_path


def test_reversed_channels_are_obeyed_and_said(bgr: Path) -> None:
    loaded = open_model(bgr)
    images = torch.rand(3, 3, 16, 16)
    reference = transformers.AutoModelForImageClassification.from_pretrained(bgr).eval()
    with torch.no_grad():
        expected = reference(images.flip(1) * 2).logits
    torch.testing.assert_close(loaded.classifier.logits(images), expected, atol=1e-4, rtol=1e-4)
    assert loaded.classifier.input_shape == (3, 16, 16)
    assert not loaded.classifier.assumptions
    assert any("channels reversed" in fact.source for fact in loaded.classifier.facts)


def test_what_cannot_be_obeyed_is_refused_unless_the_user_says_it(bgr: Path) -> None:
    path = bgr / "preprocessor_config.json"
    path.write_text(json.dumps({"image_processor_type": "TheirProcessor"}))
    with pytest.raises(UnsupportedModelError, match=r"got 'TheirProcessor'.*--mean"):
        open_model(bgr)
    given = Hints("options", input_shape=(3, 16, 16), mean=(0.5,), std=(0.5,))
    assert open_model(bgr, LoadOptions(given)).classifier.preprocessing.mean == (0.5,)


@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
def test_code_of_an_image_processor_is_dangerous(bgr: Path, name: str) -> None:
    code = {"auto_map": {"AutoImageProcessor": "theirs.Processor"}}
    (bgr / name).write_text(
        json.dumps(code if name.startswith("pre") else {"image_processor": code})
    )
    with pytest.raises(DangerousFileError, match=r"theirs\.Processor"):
        open_model(bgr)


TIMM = {
    "architecture": "resnet10t",
    "num_classes": 4,
    "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.1, 0.2, 0.3], "std": [0.5] * 3},
}


@pytest.mark.parametrize("wrapped", [False, True])
def test_folders_of_timm(wrapped: bool, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    config = TIMM | ({"model_type": "timm_wrapper"} if wrapped else {})
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"w": torch.zeros(2)}, tmp_path / "model.safetensors")
    if importlib.util.find_spec("timm") is None:
        with pytest.raises(UnsupportedModelError, match="pip install timm"):
            open_model(tmp_path)
        return
    import timm

    network = timm.create_model("resnet10t", num_classes=4).eval()
    prefix = "timm_model." if wrapped else ""
    state = {prefix + key: value for key, value in network.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors")
    loaded = open_model(tmp_path).classifier
    images = torch.rand(2, 3, 32, 32)
    shift = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    with torch.no_grad():
        expected = network((images - shift) / 0.5)
    torch.testing.assert_close(loaded.logits(images), expected, atol=1e-4, rtol=1e-4)
    assert not loaded.assumptions
