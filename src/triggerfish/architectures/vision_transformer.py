"""Vision transformer (Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929), ViT-B/16.

Source: https://github.com/pytorch/vision, torchvision/models/vision_transformer.py.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from triggerfish.architectures.architecture import Architecture
from triggerfish.architectures.chain import chain
from triggerfish.architectures.tasks import IMAGENET

_EPS = 1e-6


class EncoderBlock(nn.Module):
    """Attention and two linear layers, each after a layer norm and added to its input."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, eps=_EPS)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens ``(N, T, width)`` to tokens of the same shape."""
        y = self.ln_1(x)
        x = x + self.self_attention(y, y, y, need_weights=False)[0]
        z: Tensor = x + self.mlp(self.ln_2(x))
        return z


class Encoder(nn.Module):
    """A learned position added to each token, then blocks and a layer norm."""

    def __init__(self, tokens: int, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, tokens, width).normal_(std=0.02))
        blocks = [(f"encoder_layer_{i}", EncoderBlock(width, heads, hidden)) for i in range(layers)]
        self.layers = nn.Sequential(OrderedDict(blocks))
        self.ln = nn.LayerNorm(width, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens ``(N, T, width)`` to tokens of the same shape."""
        y: Tensor = self.ln(self.layers(x + self.pos_embedding))
        return y


class VisionTransformer(nn.Module):
    """Patches as tokens, a class token in front, its last state to one linear layer.

    Input: ``(N, channels, size, size)``, normalised. Output: logits ``(N, num_classes)``.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        channels: int = 3,
        *,
        size: int = 224,
        patch: int = 16,
        width: int = 768,
        layers: int = 12,
        heads: int = 12,
        hidden: int = 3072,
    ) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(channels, width, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = Encoder((size // patch) ** 2 + 1, width, layers, heads, hidden)
        self.heads = chain(head=nn.Linear(width, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, size, size)`` to logits ``(N, K)``."""
        patches = self.conv_proj(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches], dim=1)
        logits: Tensor = self.heads(self.encoder(tokens)[:, 0])
        return logits


ENTRIES = (
    Architecture(
        "torchvision_vit_b_16",
        "12 layers of 768, patches of 16x16",
        "github.com/pytorch/vision torchvision/models/vision_transformer.py",
        VisionTransformer,
        (IMAGENET,),
        first="conv_proj",
        last="heads.head",
        tensors=2 + 1 + 1 + 12 * 12 + 2 + 2,
    ),
)
