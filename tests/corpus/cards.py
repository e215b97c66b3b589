"""Model cards and Hugging Face configs that name code, other files, or nonsense."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from corpus.valid import place, rewrite, torch_bytes, torchscript
from triggerfish.architectures import PaperCNN

CARDS = {
    "module": 'architecture = "os:system"',
    "file": 'architecture = "evil.py:Net"',
    "hub": 'architecture = "timm:hf-hub:evil/net"',
    "arguments": 'architecture = "timm:resnet18"\narch_args = { checkpoint_path = "/etc/passwd" }',
    "unknown": 'architecture = "nothing"',
    "std": "std = 0.0",
    "nan": "mean = nan",
    "huge": "input_shape = [1, 1000000, 1000000]",
    "many-means": "mean = [0.1, 0.2]",
    "negative": "input_shape = [1, -28, 28]",
    "text": 'num_classes = "ten"',
    "classes": "num_classes = 7",
    "key": "evil = 1",
    "broken": "architecture = ",
    "binary": "\0\1",
    "long": "# " + "x" * 100_000,
}


def make(folder: Path, canary: str) -> Iterator[Path]:
    with torch.random.fork_rng():
        network = PaperCNN()
    weights = torch_bytes(network.state_dict())
    evil = f"open({canary!r}, 'w')\nclass Net: pass\n"
    (folder / "evil.py").write_text(evil)
    for name, card in CARDS.items():
        (folder / f"{name}.card.toml").write_text(card)
        yield place(folder, f"{name}.pt", weights)
    (folder / "deep.card.json").write_text("[" * 60_000)
    yield place(folder, "deep.pt", weights)
    yield from _configs(folder, canary)


def _configs(folder: Path, canary: str) -> Iterator[Path]:
    resnet = {"model_type": "resnet", "hidden_sizes": [8], "depths": [1], "embedding_size": 8}
    configs = {
        "auto-map": {**resnet, "auto_map": {"AutoModelForImageClassification": "evil.Net"}},
        "backbone": {**resnet, "backbone": "resnet18", "use_pretrained_backbone": True},
        "quantized": {**resnet, "quantization_config": {"quant_method": "evil"}},
        "huge": {**resnet, "hidden_sizes": [1 << 20], "embedding_size": 1 << 20},
        "unknown": {"model_type": "evil"},
        "text-model": {"model_type": "bert"},
        "no-type": {},
        "list": [],
        "odd": {"model_type": "resnet", "hidden_sizes": "many"},
        "keys": resnet,
    }
    for name, config in configs.items():
        model = _folder(folder, name, json.dumps(config))
        (model / "evil.py").write_text(f"open({canary!r}, 'w')")
        yield model
    yield _folder(folder, "broken", "{")
    for name, shard in {
        "outside": "../../x",
        "absolute": "/etc/passwd",
        "gone": "a.safetensors",
    }.items():
        model = _folder(folder, f"shard-{name}", json.dumps(resnet))
        (model / "model.safetensors").unlink()
        index = {"weight_map": {"w": shard}}
        (model / "model.safetensors.index.json").write_text(json.dumps(index))
        yield model
    yield place(folder, "not-a-model.pt", rewrite(torchscript(), {"constants.pkl": b"junk"}))


def _folder(folder: Path, name: str, config: str) -> Path:
    model = folder / f"hf-{name}"
    model.mkdir()
    (model / "config.json").write_text(config)
    place(model, "model.safetensors", save(dict(nn.Linear(2, 2).state_dict())))
    return model
