"""The product's input is the image processor's own, for every one that transformers has.

Each class is built with random settings and saved; what is read from the folder is compared with
what the class itself makes of random pictures, or the class is refused by its name.
"""

import json
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from triggerfish.errors import UnsupportedModelError
from triggerfish.loading.formats import image_processor
from triggerfish.loading.formats.image_processor import Prepared, read_processor
from triggerfish.loading.hints import Settings

transformers = pytest.importorskip("transformers")
names = pytest.importorskip("transformers.models.auto.image_processing_auto")

# What transformers' image classifiers are saved with; the second list is of classifiers whose
# processors answer with something else than one picture, need torchvision, or always resize.
CLASSIFIERS = {
    "BeitImageProcessor", "BitImageProcessor", "CLIPImageProcessor", "ConvNextImageProcessor",
    "DeiTImageProcessor", "EfficientNetImageProcessor", "LevitImageProcessor",
    "MobileNetV1ImageProcessor", "MobileNetV2ImageProcessor", "MobileViTImageProcessor",
    "PoolFormerImageProcessor", "PvtImageProcessor", "SiglipImageProcessor", "ViTImageProcessor",
}  # fmt: skip
OTHERS = {
    "DonutImageProcessor", "Gemma3ImageProcessor", "ImageGPTImageProcessor",
    "PPLCNetImageProcessor", "PerceiverImageProcessor", "SegformerImageProcessor",
    "Siglip2ImageProcessor", "TextNetImageProcessor", "TimmWrapperImageProcessor",
}  # fmt: skip
AS_THEY_ARE = {"do_resize": False, "do_center_crop": False, "do_pad": False}


def processors() -> Iterator[str]:
    """The base names of all image processors, as a folder's JSON has them."""
    seen = {
        str(name).removesuffix("Pil")
        for backends in names.IMAGE_PROCESSOR_MAPPING_NAMES.values()
        for name in (backends.values() if isinstance(backends, dict) else backends)
        if name
    }
    yield from sorted(seen - {"TimmWrapperImageProcessor"})  # it has no JSON of its own


def settings(name: str, trial: int) -> dict[str, Any]:
    """Random settings; the first trial has the class's own."""
    if trial == 0:
        return {}
    rng = np.random.default_rng(zlib.crc32(f"{name} {trial}".encode()))
    factor = float(rng.choice([1 / 255, 1 / 127.5, 1.0, 0.02]))
    return {
        "do_rescale": bool(rng.random() < 0.7),
        "rescale_factor": factor,
        "rescale_offset": bool(rng.random() < 0.4),
        "do_normalize": bool(rng.random() < 0.7),
        "include_top": bool(rng.random() < 0.5),
        "image_mean": [float(v) for v in rng.uniform(0, 0.9, 3)],
        "image_std": [float(v) for v in rng.uniform(0.1, 0.9, 3)],
        "do_flip_channel_order": bool(rng.random() < 0.5),
        "do_center_crop": bool(rng.random() < 0.5),
        "crop_size": {"height": 24, "width": 28},
    }


def write(folder: Path, name: str, chosen: dict[str, Any]) -> dict[str, Any]:
    config = {"image_processor_type": name, **chosen}
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    return config


def loaded(folder: Path) -> Any:
    """The processor as a user of transformers has it."""
    return transformers.AutoImageProcessor.from_pretrained(folder)


def asked(processor: Any, pictures: list[NDArray[np.uint8]], **options: Any) -> torch.Tensor:
    made = processor(pictures, return_tensors="pt", input_data_format="channels_last", **options)
    return made["pixel_values"].double()  # type: ignore[no-any-return]


def ours(prepared: Prepared, pictures: list[NDArray[np.uint8]]) -> torch.Tensor:
    """What the network sees of pictures (H, W, C), by the product."""
    images = torch.tensor(np.stack(pictures) / 255.0).permute(0, 3, 1, 2)
    scale, shift = Settings([prepared.hints]).preprocessing().affine(images.shape[1])
    return (images * scale + shift)[:, list(prepared.order)]


def check(folder: Path, prepared: Prepared) -> None:
    processor, rng = loaded(folder), np.random.default_rng(1)
    noise = [rng.integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(3)]
    expected = asked(processor, noise, **AS_THEY_ARE)
    torch.testing.assert_close(ours(prepared, noise), expected, rtol=1e-4, atol=2e-5)
    if prepared.hints.input_shape is None:
        return
    # Resizing and cropping keep one colour: the whole way is asked, too.
    for colour in rng.integers(0, 256, (3, 3), dtype=np.uint8):
        plain = np.broadcast_to(colour, (300, 300, 3)).copy()
        whole = asked(processor, [plain])
        assert tuple(whole.shape[1:]) == prepared.hints.input_shape
        middle = whole[0, :, whole.shape[2] // 2, whole.shape[3] // 2]
        mine = ours(prepared, [plain])[0, :, 0, 0]
        torch.testing.assert_close(mine, middle, rtol=1e-4, atol=2e-5)


def read(folder: Path, config: dict[str, Any]) -> Prepared | str:
    """What the product finds, or why it refuses."""
    try:
        return read_processor(folder, config, 3, "folder")
    except UnsupportedModelError as error:
        return str(error)


@pytest.mark.parametrize("name", list(processors()))
def test_every_processor_is_obeyed_or_refused_by_name(name: str, tmp_path: Path) -> None:
    warnings.simplefilter("ignore")
    for trial in range(4 if name in CLASSIFIERS else 2):
        found = read(tmp_path, write(tmp_path, name, settings(name, trial)))
        if isinstance(found, str):
            assert name in found
            assert name not in CLASSIFIERS, found
        else:
            check(tmp_path, found)


@pytest.mark.parametrize("kind", ["image_processor_type", "feature_extractor_type", None])
def test_older_and_newer_ways_to_name_a_class(kind: str | None, tmp_path: Path) -> None:
    names = {"image_processor_type": "MobileViTImageProcessorFast"}
    if kind == "feature_extractor_type":
        names = {kind: "MobileViTFeatureExtractor"}
    config: dict[str, Any] = names if kind else {}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mobilevit"}))
    found = read_processor(tmp_path, config, 3, "folder")
    assert found.order == (2, 1, 0)
    assert found.hints.input_shape == (3, 256, 256)
    check(tmp_path, found)


@pytest.mark.parametrize(
    ("name", "chosen", "shape"),
    [
        ("BitImageProcessor", {"size": {"shortest_edge": 256}}, (3, 224, 224)),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}, (3, 384, 384)),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}}, (3, 224, 224)),
        ("ViTImageProcessor", {"size": 32}, (3, 32, 32)),
        ("CLIPImageProcessor", {"do_center_crop": False, "size": 48}, (3, 48, 48)),
        ("ViTImageProcessor", {"do_resize": False}, None),
    ],
)
def test_the_size_is_what_the_processor_makes(
    name: str, chosen: dict[str, Any], shape: tuple[int, int, int] | None, tmp_path: Path
) -> None:
    found = read_processor(tmp_path, write(tmp_path, name, chosen), 3, "folder")
    assert found.hints.input_shape == shape


class _Reversing:
    """A processor that normalises, then reverses the channels, as PPLCNet's does."""

    image_mean, image_std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)

    def __call__(self, pictures: list[NDArray[np.uint8]], **_: Any) -> dict[str, torch.Tensor]:
        values = (np.stack(pictures) / 255 - self.image_mean) / self.image_std
        return {"pixel_values": torch.tensor(values[..., ::-1].copy()).permute(0, 3, 1, 2)}


def test_channels_reversed_after_normalising(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(image_processor, "_build", lambda _: _Reversing())
    found = read_processor(tmp_path, {}, 3, "folder")
    noise = [np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)]
    assert found.hints.mean == _Reversing.image_mean
    torch.testing.assert_close(ours(found, noise), _Reversing()(noise)["pixel_values"])


@pytest.mark.parametrize(
    "chosen",
    [
        {"size": {"height": 10**9, "width": 10**9}},
        {"image_processor_type": "ConvNextImageProcessor", "crop_pct": 1e-9},
        {"image_std": [0.0, 1.0, 1.0]},
        {"image_std": [-1.0, 1.0, 1.0]},
        {"image_mean": [float("nan")] * 3},
        {"image_processor_type": "NoSuchProcessor"},
    ],
)
def test_what_no_network_was_trained_with_is_refused(
    chosen: dict[str, Any], tmp_path: Path
) -> None:
    config = write(tmp_path, "ViTImageProcessor", {}) | chosen
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match=config["image_processor_type"]):
        read_processor(tmp_path, config, 3, "folder")


def test_classes_of_every_image_classifier_are_obeyed() -> None:
    """A new version of transformers may bring a classifier with a class that is new to us."""
    auto = pytest.importorskip("transformers.models.auto.modeling_auto")
    used = {
        str(name).removesuffix("Pil")
        for kind in auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
        for name in dict(names.IMAGE_PROCESSOR_MAPPING_NAMES.get(kind, {})).values()
    }
    assert used - CLASSIFIERS <= OTHERS
