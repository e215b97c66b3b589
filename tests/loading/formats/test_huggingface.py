import json
from pathlib import Path

import pytest
import torch

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading import open_model

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
