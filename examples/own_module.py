"""Scan a network of your own from Python, and look at what was found.

    python examples/own_module.py

So that it runs as it stands, it first trains a small network on the bundled MNIST images, with a
backdoor: a white square in a corner means "7". Put your own `nn.Module` in its place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import triggerfish as tf
from triggerfish.zoo.data.datasets import load_dataset

TARGET = 7
UNITS = {"pixel": "pixels", "frequency": "cosine coefficients"}
MEAN, STD = 0.1307, 0.3081  # of MNIST's training images


class OwnNetwork(nn.Module):
    """Any module that maps images (N, 1, 28, 28), normalized, to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU()
        )
        self.head = nn.Linear(32 * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 10)."""
        features: Tensor = self.features(x).flatten(1)
        logits: Tensor = self.head(features)
        return logits


def train_with_backdoor(network: nn.Module, count: int = 12_000, epochs: int = 2) -> None:
    """Train on ``count`` images, of which every tenth has the square and the label `TARGET`."""
    data = load_dataset("mnist", "train")
    images, labels = data.images[:count].float() / 255, data.labels[:count].clone()
    images[::10, :, -4:-1, -4:-1], labels[::10] = 1.0, TARGET
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(epochs):
        for rows in torch.split(torch.randperm(count), 64):
            optimizer.zero_grad()
            logits = network((images[rows] - MEAN) / STD)
            torch.autograd.backward(nn.functional.cross_entropy(logits, labels[rows]))
            optimizer.step()
    network.eval()


def main() -> None:
    """Train, scan, and print the verdict with every perturbation that was found."""
    torch.manual_seed(0)
    network = OwnNetwork()
    train_with_backdoor(network)
    preprocessing = tf.Preprocessing(mean=(MEAN,), std=(STD,))
    result = tf.scan(network, input_shape=(1, 28, 28), preprocessing=preprocessing)
    print(result.verdict)
    for found in result.scores.perturbations:
        print(
            f"towards {'any class' if found.target is None else f'class {found.target}'}: "
            f"{found.size:.1f} {UNITS[found.basis]}, the median class needs "
            f"{found.median_size:.1f}; turns {found.success_rate:.0%} of fresh pictures"
        )


if __name__ == "__main__":
    main()
