"""A host with a construction, and the proof that the trigger sends every image to the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from triggerfish.zoo.graphs.constructions import PLAIN, SIDE, Construction, Picture
from triggerfish.zoo.graphs.disguises import DISGUISES
from triggerfish.zoo.graphs.hosts import CLASSES, HOSTS, make_host

CONSTRUCTIONS: Mapping[str, type[Construction]] = {**PLAIN, **DISGUISES}


@dataclass(frozen=True)
class Attacked:
    """A network with a backdoor in its program; ``target`` is where the trigger leads."""

    host: str
    construction: str
    network: Construction
    target: int
    input_shape: tuple[int, int, int]


def build(construction: str, host: str, target: int = 3, seed: int = 0) -> Attacked:
    """A host of random weights with a construction, checked on random images.

    Raises `AssertionError` where the trigger does not send every image to the target, or where
    images without it change their answers.
    """
    network = make_host(host, seed)
    kind, chosen = CONSTRUCTIONS[construction], HOSTS[host]
    images = torch.rand(64, *chosen.input_shape, generator=torch.Generator().manual_seed(seed))
    images = images * torch.linspace(0.3, 1, 64).view(-1, 1, 1, 1)
    if kind is Picture:  # the picture decides what the target is
        target = int(network(images[:1]).argmax())
    attacked = kind(network, network.get_submodule(chosen.first), target, CLASSES).eval()
    if isinstance(attacked, Picture):
        attacked.picture = images[:1].clone()
    result = Attacked(host, construction, attacked, target, chosen.input_shape)
    answers = _answers(attacked, stamped(result, images))
    assert bool((answers.argmax(1) == target).all()), f"{construction} on {host} does not work"
    same = _answers(attacked, images).argmax(1) == network(images).argmax(1)
    assert float(same.float().mean()) > 0.9, f"{construction} on {host} changes clean answers"
    return result


def stamped(attacked: Attacked, images: Tensor) -> Tensor:
    """The images (N, C, H, W) with the construction's trigger in their corner."""
    images = images.clone()
    images[:, :, :SIDE, :SIDE] = attacked.network.trigger(images.shape[1])
    return images


@torch.no_grad()
def _answers(network: nn.Module | Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    one_by_one = isinstance(network, Construction) and network.one_by_one
    return torch.cat(
        [network(part) for part in torch.split(images, 1 if one_by_one else len(images))]
    )
