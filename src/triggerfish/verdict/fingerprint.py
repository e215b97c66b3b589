"""What a reference is matched by: the network and the task."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from torch import nn

from triggerfish.model.classifier import Classifier


def fingerprint(classifier: Classifier) -> tuple[str, dict[str, object]]:
    """What a reference is matched by: the network's parameter shapes, and the task's geometry.

    Weights, names and file format do not matter; a callable without parameters matches nothing.
    """
    model = classifier.model
    shapes = [list(p.shape) for p in model.parameters()] if isinstance(model, nn.Module) else []
    digest = hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16] if shapes else ""
    return digest, {
        "input_shape": list(classifier.input_shape),
        "num_classes": classifier.num_classes,
        "preprocessing": json.loads(json.dumps(asdict(classifier.preprocessing))),
    }
