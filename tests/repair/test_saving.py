import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from saved_models import WRITERS
from torch import nn

from triggerfish.architectures import PaperCNN
from triggerfish.errors import UnsupportedModelError
from triggerfish.loading import Hints, LoadOptions, open_model
from triggerfish.loading.formats.pytorch import load_pickled_data
from triggerfish.loading.guards.beginnings import read_head
from triggerfish.model.classifier import Preprocessing
from triggerfish.repairs.saving import rewritten

NAMED = Hints("test", architecture="paper_cnn")
PREPROCESSED = replace(NAMED, mean=(0.5,), std=(0.25,))
IMAGES = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def network() -> PaperCNN:
    torch.manual_seed(0)
    return PaperCNN().eval()


def load(path):
    """By name where the file has no network of its own: looking for one takes long.

    Mean and std are given, unless the file itself says them: what is assumed follows the weights.
    """
    given = NAMED if path.name in SAYS_IT_ITSELF else PREPROCESSED
    return open_model(path, LoadOptions(given) if path.name in KEPT else None).classifier


def changed(path):
    """What opens from ``path``, and the same with other weights."""
    model = load(path).model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    return model


def _half(network, path):
    torch.save({k: v.half() for k, v in network.state_dict().items()}, path)


METADATA = {"mean": "[0.5]", "std": "[0.25]"}


def _half_safetensors(network, path):
    save_file({k: v.half() for k, v in network.state_dict().items()}, path, METADATA)


MORE = {"half.pt": _half, "half.safetensors": _half_safetensors}
KEPT = (
    "state-dict.pt", "extension-says-nothing.model", "recompressed.pt", "legacy.pth", "wrapped.tar",
    "lightning.ckpt", "attack_result.pt", "weights.safetensors", *MORE,
)  # fmt: skip
SAYS_IT_ITSELF = ("half.safetensors",)
REFUSED = ("pruned.pt", "scripted.pt", "network.h5")


@pytest.mark.parametrize("name", KEPT)
def test_a_file_comes_back_with_other_weights_and_nothing_else(network, tmp_path, name):
    path, again = tmp_path / name, tmp_path / "again" / name
    {**WRITERS, **MORE}[name](network, path)
    model = changed(path)
    again.parent.mkdir()
    again.write_bytes(rewritten(path, model))
    opened = load(again)
    tolerance = 0.05 if "half" in name else 1e-5
    assert torch.allclose(opened.model(IMAGES), model(IMAGES), atol=tolerance)
    assert opened.preprocessing == Preprocessing((0.5,), (0.25,))
    assert shape_of(again) == shape_of(path)


def shape_of(path):
    """Everything in a file but the values of its tensors."""
    if path.suffix == ".safetensors":
        content = path.read_bytes()  # its writer orders the metadata by chance
        return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    head = read_head(path)
    return head[:2], skeleton(load_pickled_data(path, head))


def skeleton(data):
    if isinstance(data, dict):
        return {key: skeleton(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [skeleton(value) for value in data]
    if isinstance(data, torch.Tensor):
        return data.shape, data.dtype, data.is_contiguous()
    return repr(data)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_again_ends_in_one_line(network, tmp_path, name):
    WRITERS[name](network, tmp_path / name)
    model = load(tmp_path / name).model
    why = r"^(a repair writes|expected) .*: save "
    with pytest.raises(UnsupportedModelError, match=why) as error:
        rewritten(tmp_path / name, model)
    assert "\n" not in str(error.value)


def test_a_pickled_module_is_refused(network, tmp_path):
    torch.save(network, tmp_path / "whole.pt")
    with pytest.raises(UnsupportedModelError, match="pickled module"):
        rewritten(tmp_path / "whole.pt", network)


def test_a_counter_that_old_files_lack_is_not_missed(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    state = {k: v for k, v in model.state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "old.pt")
    assert rewritten(tmp_path / "old.pt", model)


def test_a_function_has_no_weights(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "m.pt")
    with pytest.raises(UnsupportedModelError, match="got a function"):
        rewritten(tmp_path / "m.pt", lambda images: images)
