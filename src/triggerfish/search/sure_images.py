"""Synthetic images that a network is sure of, evenly over its classes.

Most synthetic images may already be one class (*nothing there*, or just the one that likes
textures), and the others lie near its border: then a perturbation towards it is cheap without any
trigger, and hides the one that is there. A few steps of gradient ascent make every image one class
with a given lead; a perturbation has to overcome that, as a trigger does on photographs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.search.activation_maximization import chunks

LEAD = 4.0
"""Log-odds that images are led to. On photographs a trained network has more."""
STEPS = 25
STEP = 0.04
"""Length of a step: the root mean square over pixels, of their range."""


@torch.no_grad()
def sure_images(
    classifier: Classifier, images: Tensor, rows_at_once: int = 512, lead: float = LEAD
) -> Tensor:
    """``images`` (N, C, H, W) led to the classes in turn, image n to class n mod K.

    An image stops as soon as its class leads by ``lead`` log-odds; one that does not get there in
    `STEPS` steps stays where it is then. The result is in [0, 1] as well.

    Raises:
        ValueError: A lead that is not above 0.
    """
    if not lead > 0:
        raise ValueError(f"expected a lead > 0, got {lead}")
    led = images.to(classifier.device, classifier.dtype).clone()
    goal = torch.arange(len(led), device=led.device) % classifier.num_classes
    for part in chunks(len(led), rows_at_once):
        led[part] = _led(classifier, led[part], goal[part], lead)
    return led


def _led(classifier: Classifier, images: Tensor, goal: Tensor, lead: float) -> Tensor:
    """The images (n, C, H, W) after ascent to ``goal`` (n,); those that are there pass no more."""
    length = STEP * classifier.num_pixels**0.5
    led, left = images.clone(), torch.arange(len(images), device=images.device)
    for _ in range(STEPS):
        with torch.enable_grad():
            moving = led[left].requires_grad_()
            odds = log_odds(classifier.logits(moving), goal[left])
            (slope,) = torch.autograd.grad(odds.sum(), moving)
        short = odds < lead
        if not bool(short.any()):
            break
        left, slope = left[short], slope[short]
        norm = slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        led[left] = (moving.detach()[short] + slope * (length / norm)).clamp(0.0, 1.0)
    return led
