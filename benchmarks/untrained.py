"""Networks with random weights that a scan takes for trained ones.

As they are drawn, deep networks answer nearly the same to every image, and a scan says so and
searches nothing. What training would do to that is done here: batch norms have seen images, and
the logits spread as those of trained networks do.
"""

from __future__ import annotations

import torch
from torch import nn

from triggerfish.architectures import ARCHITECTURES
from triggerfish.model.classifier import Classifier
from triggerfish.search.activation_maximization import evaluate
from triggerfish.verdict.sanity import TOGETHER, probe_pictures, spread

SPREAD = 2.0


@torch.no_grad()
def drawn(name: str, classes: int, shape: tuple[int, int, int]) -> nn.Module:
    """A network of the catalogue with random weights, the same every time."""
    torch.manual_seed(0)
    network: nn.Module = ARCHITECTURES[name](classes, shape[0])
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches
    images = probe_pictures(Classifier(network, shape))
    if norms:
        network.train()
        for part in torch.split(images, TOGETHER):
            network(part)
        network.eval()
    now = spread(evaluate(Classifier(network, shape), images, TOGETHER).double())
    last = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    last.weight *= SPREAD / now
    return network
