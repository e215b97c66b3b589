"""Synthetic images that a network is sure of, evenly over its classes.

Most synthetic images may already be one class (*nothing there*, or just the one that likes
textures), and the others lie near its border: then a perturbation towards it is small without any
trigger, and hides the one that is there. A few steps of gradient ascent make every image one class
with a given lead; a perturbation has to overcome that, as a trigger does on photographs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from triggerfish.model.classifier import Classifier, log_odds
from triggerfish.model.memory import give_back_if_much
from triggerfish.search.activation_maximization import chunks

LEAD = 4.0
"""Log-odds that images are led to. On photographs a trained network has more."""
EARLY_LEAD = 2.0
"""The same where an image has to be easy to lead away from its class."""
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
    (led,) = images_by_lead(classifier, images, (lead,), rows_at_once)
    return led


@torch.no_grad()
def images_by_lead(
    classifier: Classifier, images: Tensor, leads: tuple[float, ...], rows_at_once: int = 512
) -> tuple[Tensor, ...]:
    """`sure_images` for each of the rising ``leads``, (N, C, H, W) all, in one ascent.

    Raises:
        ValueError: A lead that is not above 0, or not above the one before.
    """
    if not leads[0] > 0 or list(leads) != sorted(set(leads)):
        raise ValueError(f"expected each lead > 0 and above the one before, got {leads}")
    images = images.to(classifier.device, classifier.dtype)
    led = tuple(images.clone() for _ in leads)
    goal = torch.arange(len(images), device=images.device) % classifier.num_classes
    for part in chunks(len(images), rows_at_once):
        _lead(classifier, tuple(one[part] for one in led), goal[part], leads)
        give_back_if_much()
    return led


def _lead(
    classifier: Classifier, led: tuple[Tensor, ...], goal: Tensor, leads: tuple[float, ...]
) -> None:
    """Ascent to ``goal`` (n,) in place, of (n, C, H, W) for each lead.

    An image stops in each as soon as it leads by that much, and passes the network until the last.
    """
    length = STEP * classifier.num_pixels**0.5
    left = torch.arange(len(goal), device=goal.device)
    for _ in range(STEPS):
        with torch.enable_grad():
            moving = led[-1][left].requires_grad_()
            odds = log_odds(classifier.logits(moving), goal[left])
            (slope,) = torch.autograd.grad(odds.sum(), moving)
        short = odds.detach() < leads[-1]
        if not bool(short.any()):
            break
        left, odds, slope = left[short], odds[short], slope[short]
        norm = slope.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
        moved = (moving.detach()[short] + slope * (length / norm)).clamp(0.0, 1.0)
        for lead, images in zip(leads, led, strict=True):
            below = odds < lead
            images[left[below]] = moved[below]
