"""A trigger drawn by a small network for each image (input-aware, Nguyen and Tran 2020)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import relu

from triggerfish.zoo.attacks.base import Poisoning
from triggerfish.zoo.attacks.learned import Batch, Fit, ImageNetwork, LearnedAttack
from triggerfish.zoo.attacks.registry import preset, register

_MASK_STEPS, _MASK_BATCH, _RATE = 200, 128, 1e-3
_DIVERSITY_BATCH = 32


class TriggerPainter(nn.Module):
    """Images ``(N, C, H, W)`` -> a pattern (N, C, H, W) and a mask (N, 1, H, W), in [0, 1]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pattern_net = _painter(channels, channels)
        self.mask_net = _painter(channels, 1)

    def pattern(self, images: Tensor) -> Tensor:
        """What is painted."""
        return torch.sigmoid(self.pattern_net(images))

    def mask(self, images: Tensor) -> Tensor:
        """Where it is painted: nearly 0 or 1."""
        return torch.sigmoid(10 * self.mask_net(images))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The trigger of each image."""
        return self.pattern(images), self.mask(images)


@register("input-aware")
@dataclass(frozen=True)
class InputAwareAttack(LearnedAttack):
    """Every image has its own trigger, and that of another image must not work.

    A mask network learns first where to paint (``density`` of the pixels, differently for different
    images); the pattern network then learns together with the classifier. Covers carry the trigger
    of another image and keep their labels.
    """

    density: float = 0.032
    density_weight: float = 100.0
    diversity_weight: float = 1.0
    painter: TriggerPainter | None = field(
        default=None, compare=False, repr=False, metadata={"learned": True}
    )

    def prepare(
        self, model: ImageNetwork, images: Tensor, fit: Fit, generator: Generator
    ) -> InputAwareAttack:
        """Train the mask network."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(1 << 40, (), generator=generator)))
            painter = TriggerPainter(images.shape[1]).to(images.device)
        optimizer = torch.optim.Adam(painter.mask_net.parameters(), lr=_RATE)
        for _ in range(_MASK_STEPS):
            chosen = torch.randint(len(images), (_MASK_BATCH,), generator=generator)
            x = images[chosen.to(images.device)].float() / 255
            mask = painter.mask(x)
            excess = relu(mask - self.density).mean()
            loss = self.density_weight * excess + self.diversity_weight * sameness(x, mask)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        painter.mask_net.requires_grad_(requires_grad=False)
        return replace(self, painter=painter)

    def stamp(self, images: Tensor, generator: Generator) -> Tensor:
        """Each image with its own trigger."""
        return self._paint(images, images)

    def cover(self, images: Tensor, generator: Generator) -> Tensor:
        """Each image with the trigger of its neighbour."""
        return self._paint(images, images.roll(1, 0))

    def penalty(self, model: ImageNetwork, batch: Batch, logits: Tensor) -> Tensor | float:
        """Keeps the patterns of different images different."""
        images = batch.images.detach()[:_DIVERSITY_BATCH]
        return sameness(images, self._ready().pattern(images)) * self.diversity_weight

    def parameters(self) -> Iterable[nn.Parameter]:
        """The weights of the pattern network."""
        return self._ready().pattern_net.parameters()

    def learned(self) -> dict[str, Tensor]:
        """Both networks."""
        return self._ready().state_dict()

    def restored(self, learned: Mapping[str, Tensor]) -> InputAwareAttack:
        """The attack with both networks."""
        painter = TriggerPainter(channels=learned["pattern_net.0.weight"].shape[1])
        painter.load_state_dict(learned)
        return replace(self, painter=painter.requires_grad_(requires_grad=False))

    def _paint(self, images: Tensor, sources: Tensor) -> Tensor:
        pattern, mask = self._ready()(sources)
        painted: Tensor = images * (1 - mask) + pattern * mask
        return painted

    def _ready(self) -> TriggerPainter:
        if self.painter is None:
            raise RuntimeError("expected a prepared attack: call prepare first")
        return self.painter


def sameness(images: Tensor, triggers: Tensor) -> Tensor:
    """Mean distance of neighbouring images over that of their triggers: the diversity loss."""
    far = (images - images.roll(1, 0)).square().mean((1, 2, 3)).sqrt()
    near = ((triggers - triggers.roll(1, 0)).square().mean((1, 2, 3)) + 1e-8).sqrt()
    return (far / (near + 1e-2)).mean()


def _painter(channels_in: int, channels_out: int) -> nn.Sequential:
    """A small encoder and decoder that keeps the image's size (a multiple of 4)."""
    return nn.Sequential(
        nn.Conv2d(channels_in, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, channels_out, 4, stride=2, padding=1),
    )


preset(
    "input-aware",
    "a small trigger painted for each image by a network trained along",
    InputAwareAttack(),
    Poisoning(0.1, cover_rate=0.1),
    epochs=4,
)
