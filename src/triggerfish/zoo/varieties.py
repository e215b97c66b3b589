"""Clean models that differ from the published ones, as models in the wild do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from triggerfish.zoo.recipes import Recipe

VARIETIES: Mapping[str, Mapping[str, object]] = {
    "published": {},
    "one-epoch": {"epochs": 1},
    "five-epochs": {"epochs": 5},
    "dropout": {"architecture": "paper_cnn_dropout"},
    "batch-norm": {"architecture": "paper_cnn_batch_norm"},
    "weight-decay": {"weight_decay": 1e-3},
    "label-noise": {"label_noise": 0.1},
    "imbalance": {"imbalance": 0.1},
    "mlp": {"architecture": "mlp"},
    "lenet": {"architecture": "lenet"},
    "small-resnet": {"architecture": "small_resnet"},
}
"""What each variety changes in a recipe."""


def variety(name: str, base: Recipe) -> Recipe:
    """The recipe ``base`` changed to a variety; ``ValueError`` for an unknown one."""
    if name not in VARIETIES:
        raise ValueError(f"expected a variety of {', '.join(VARIETIES)}, got {name}")
    return replace(base, **VARIETIES[name])  # type: ignore[arg-type]
