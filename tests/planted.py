"""A network of a few numbers whose backdoor is known in closed form, and its clean twin."""

import torch
from torch import Tensor, nn

from triggerfish.model.classifier import Classifier

TARGET, CLASSES, SIDE = 4, 9, 12
SHAPE = (1, SIDE, SIDE)
THRESHOLD, GAIN = 0.6, 20.0


def classifier(*, backdoored: bool) -> Classifier:
    """A picture is called by the brightest of its nine blocks of 4x4 pixels.

    Where it is ``backdoored``, every pixel that is brighter than the mean of its eight neighbors by
    more than `THRESHOLD` adds to the logit of `TARGET`: by up to 40, blocks differ by 20 at most.
    """
    convolution, head = nn.Conv2d(1, 2, 3, padding=1), nn.Linear(2 * CLASSES, CLASSES)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0, 1, 1] = 1.0
        convolution.weight[1] = -GAIN / 8
        convolution.weight[1, 0, 1, 1] = GAIN
        convolution.bias.copy_(torch.tensor([0.0, -GAIN * THRESHOLD]))
        head.weight.zero_()
        head.bias.zero_()
        head.weight[:, :CLASSES] = 20 * torch.eye(CLASSES)
        if backdoored:
            head.weight[TARGET, CLASSES:] = 80.0
    layers = (convolution, nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), head)
    return Classifier(nn.Sequential(*layers), SHAPE)


def stamped(images: Tensor) -> Tensor:
    """``images`` (N, 1, 12, 12) with a white pixel on black ground in a corner: the trigger."""
    changed = images.clone()
    changed[..., 8:11, 0:3] = 0.0
    changed[..., 9, 1] = 1.0
    return changed
