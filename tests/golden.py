"""Whole results of small scans, as far as every processor agrees on them.

    python tests/golden.py

writes them anew; the difference is what a change does to results. Measured numbers stand as their
count alone, and numbers in sentences as `#`; the scores of the evidence stand as they are.
"""

import json
import re
from pathlib import Path
from typing import Any

import planted
import torch
from torch import nn

import triggerfish as tf
from triggerfish.reports.json_report import stored

FOLDER = Path(__file__).parent / "data" / "golden"
CHANGING = ("seconds", "environment", "sha256")
COUNTED = ("predicted_classes", "status")
LISTED = ("score", "flag_at", "suspect_at", "threshold", "suspicion_threshold", "anomaly_index")


def _untrained() -> tf.Classifier:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return tf.Classifier(nn.Sequential(*layers, nn.Linear(144, 6)), (1, 12, 12))


SCANS = {
    "planted": lambda: tf.scan(planted.classifier(backdoored=True)),
    "clean_twin": lambda: tf.scan(planted.classifier(backdoored=False)),
    "untrained": lambda: tf.scan(_untrained()),
    "min_norm": lambda: tf.scan(planted.classifier(backdoored=True), tf.MinNorm(steps=30)),
    "published": lambda: tf.scan(planted.classifier(backdoored=True), tf.L1Weight(steps=20)),
    "pairs": lambda: tf.scan(planted.classifier(backdoored=True), tf.UniversalPairs()),
    "last_layer": lambda: tf.scan(planted.classifier(backdoored=True), tf.LastLayer()),
}


def plain(result: tf.Scanned) -> Any:
    """A result as JSON, without what another processor or another run changes."""
    document = json.loads(json.dumps(stored(result)))
    return {key: _stable(value, key) for key, value in document.items() if key not in CHANGING}


def _stable(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {k: _stable(v, k) for k, v in value.items() if k not in CHANGING}
    if isinstance(value, float):
        return round(value, 3) if key in LISTED else "a number"
    if isinstance(value, str):
        return re.sub(r"\d+(\.\d+)?(e-?\d+)?", "#", value) if " " in value else value
    if isinstance(value, list):
        measured = value and all(v is None or isinstance(v, float) for v in value)
        if key in COUNTED or (measured and key not in LISTED):
            return f"{len(value)} of them"
        return [_stable(item, key) for item in value]
    return value


def written(document: Any) -> str:
    """JSON with lists of plain values on one line."""
    text = json.dumps(document, indent=1)
    return re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, scan in SCANS.items():
        (FOLDER / f"{name}.json").write_text(written(plain(scan())))
