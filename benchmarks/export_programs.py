"""Clean program files for `benchmarks.structure clean`: untrained networks of other people.

    python benchmarks/export_programs.py FOLDER [--only timm,torchvision] [--seconds 900]

Run in an environment with torch 2.14.1, torchvision 0.29.1, timm, transformers and onnxscript;
Triggerfish is not needed. A file is named ``SOURCE_NETWORK_SIDE_FORM``; what an exporter refuses is
printed.
"""

from __future__ import annotations

import argparse
import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

TORCHVISION = """
    alexnet:96 squeezenet1_1:96 shufflenet_v2_x0_5:64 mobilenet_v2:64 mobilenet_v3_small:64
    mnasnet0_5:64 regnet_y_400mf:64 efficientnet_b0:64 resnet18:64 googlenet:96 densenet121:64
    inception_v3:96 swin_t:64 vit_b_32:224
"""
TIMM = """
    test_byobnet:96 test_convnext:96 test_convnext2:96 test_convnext3:96 test_efficientnet:96
    test_efficientnet_evos:96 test_efficientnet_gn:96 test_efficientnet_ln:96 test_mambaout:96
    test_nfnet:96 test_resnet:96 test_vit:160 test_vit2:160 test_vit3:160 test_vit4:160
    mobilenetv3_small_050:64 ghostnet_050:64 lcnet_035:64 tinynet_e:64 regnetx_002:64
    repvgg_a0:64 dla46_c:64 hardcorenas_a:64 mnasnet_small:64 semnasnet_075:64 rexnet_100:64
    cs3darknet_focus_s:64 mixer_s32_224:224 resmlp_12_224:224 gmlp_ti16_224:224
    vit_tiny_patch16_224:224 deit_tiny_distilled_patch16_224:224 pit_ti_224:224 levit_128s:224
    xcit_nano_12_p16_224:224 cait_xxs24_224:224 convnext_atto:64 edgenext_xx_small:64
    mobilevit_xxs:64 mobilevitv2_050:64 poolformer_s12:64 efficientformer_l1:224
    efficientformerv2_s0:224 efficientvit_m0:224 efficientvit_b0:64 fastvit_t8:64 starnet_s1:64
    hgnetv2_b0:64 repghostnet_050:64 repvit_m0_9:64 visformer_tiny:224 coat_lite_tiny:224
    crossvit_tiny_240:240 convit_tiny:224 botnet26t_256:256 halonet26t:256 eca_resnext26ts:64
    selecsls42b:64 skresnet18:64 resnest14d:64 res2net50_14w_8s:64 vovnet39a:64
    inception_next_atto:64 tiny_vit_5m_224:224 mobileone_s0:64 mobilenetv4_conv_small:64
"""
# Configurations that know these names: small ones of each kind, ten classes.
TRANSFORMERS = """
    ViT:64 DeiT:64 Swin:64 Swinv2:64 Beit:64 Dinov2:64 ViTMSN:64 ConvNext:96 ResNet:96 PoolFormer:96
    MobileViT:96 Segformer:96 Cvt:96 LeViT:224
"""
_SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
    "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4, "patch_size": 8,
    "num_labels": 10,
}  # fmt: skip
FORMS = ("onnx", "onnx-dynamo", "pt2", "ts")
SUFFIXES = {"onnx": ".onnx", "onnx-dynamo": ".onnx", "pt2": ".pt2", "ts": ".pt"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="timm,torchvision")
    parser.add_argument("--forms", default=",".join(FORMS))
    parser.add_argument("--seconds", type=float, default=900.0, help="no new file after these")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # no exporter knows the fused attention
    warnings.simplefilter("ignore")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    forms, start, number = arguments.forms.split(","), time.perf_counter(), 0
    for name, side, make in networks(arguments.only.split(",")):
        # Two exporters for each network, all of them in turn: more kinds of networks in the time.
        for form in (forms[number % len(forms)], forms[(number + 1) % len(forms)]):
            path = arguments.folder / f"{name}_{side}_{form}{SUFFIXES[form]}"
            if path.exists() or time.perf_counter() - start > arguments.seconds:
                continue
            try:
                torch.manual_seed(0)
                export(make().eval(), torch.rand(2, 3, side, side), form, path)
                print(path.name, flush=True)
            except Exception as error:  # what an exporter cannot write is no program
                print(f"{path.name}: {type(error).__name__}: {str(error)[:80]}", flush=True)
                path.unlink(missing_ok=True)
        number += 1


def networks(sources: list[str]) -> Iterator[tuple[str, int, Callable[[], nn.Module]]]:
    """Names, sides of images and makers of networks with random weights and ten classes."""
    if "timm" in sources:
        timm = importlib.import_module("timm")
        for name, side in _listed(TIMM):
            yield f"timm_{name}", side, partial(timm.create_model, name, num_classes=10)
    if "torchvision" in sources:
        models = importlib.import_module("torchvision").models
        for name, side in _listed(TORCHVISION):
            extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
            make = partial(models.get_model, name, num_classes=10, **extra)
            yield f"torchvision_{name}", side, make

    if "transformers" in sources:
        transformers = importlib.import_module("transformers")
        for name, side in _listed(TRANSFORMERS):
            yield f"transformers_{name}", side, partial(_transformer, transformers, name, side)


class _Logits(nn.Module):
    """The logits alone of a network that answers with more."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(pixel_values=x).logits
        return logits


def _transformer(transformers: Any, name: str, side: int) -> nn.Module:  # noqa: ANN401
    """A small network of one kind; what its configuration does not know keeps its default."""
    config_of = getattr(transformers, f"{name}Config")
    known = config_of().to_dict()
    small = {key: value for key, value in _SMALL.items() if key in known or key == "num_labels"}
    small = {k: v for k, v in small.items() if type(v) is type(known.get(k, v))}
    lists = [k for k in ("depths", "num_heads") if k in small and len(known[k]) != 2]
    if lists and "hidden_sizes" in known:  # as many stages as its other settings have
        small = {k: v for k, v in small.items() if k not in lists}
    config = config_of(image_size=side, **small)
    return _Logits(getattr(transformers, f"{name}ForImageClassification")(config))


def _listed(text: str) -> Iterator[tuple[str, int]]:
    for item in text.split():
        name, side = item.split(":")
        yield name, int(side)


def export(network: nn.Module, images: Tensor, form: str, path: Path) -> None:
    """Write a network with one of four exporters."""
    if form == "ts":
        torch.jit.save(torch.jit.trace(network, images), str(path))  # type: ignore[no-untyped-call]
    elif form == "onnx":
        torch.onnx.export(
            network, (images,), str(path), input_names=["x"], output_names=["logits"],
            dynamic_axes={"x": {0: "batch"}}, opset_version=18, dynamo=False,
        )  # fmt: skip
    elif form == "pt2":
        torch.export.save(torch.export.export(network, (images,)), path)
    else:
        torch.onnx.export(network, (images,), str(path), dynamo=True, external_data=False)


if __name__ == "__main__":
    main()
