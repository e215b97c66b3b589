"""Which outputs of a network are scanned, each as readings of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from triggerfish.loading.programs.batches import FixedBatch, only
from triggerfish.loading.programs.graph_network import GraphNetwork
from triggerfish.model.memory import is_out_of_memory
from triggerfish.model.outputs import class_outputs, described, named_outputs

MAX_PARTS = 4
"""No more outputs are scanned: each costs whole scans."""
_PROBES = 4


@dataclass(frozen=True)
class Part:
    """An output that may be a class vector: its ``name``, and the ``network`` that leads to it.

    ``name`` is None where there is one output, which needs none; ``label`` then is ''. ``unread``
    describes the outputs that nobody scans.
    """

    network: nn.Module
    name: str | None = None
    unread: str = ""

    @property
    def label(self) -> str:
        """As `Reading.part` has it."""
        return "" if self.name is None else f"output:{self.name}"

    @property
    def output(self) -> str | None:
        """The name where the network still has several outputs: where its graph is not ours."""
        return None if isinstance(self.network, (GraphNetwork, FixedBatch)) else self.name


def parts_of(network: nn.Module, shape: tuple[int, ...]) -> tuple[Part, ...]:
    """The outputs that are scanned of a network for inputs of ``shape``, the likeliest first.

    A network that does not run is one part: whoever runs it says what is wrong with it.
    """
    x = torch.rand((_PROBES, *shape), generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            outputs = named_outputs(network.eval()(x))
        if len(outputs) > 1:
            # Gradients show which of them leads where. A copy, for a network that works in place.
            with torch.enable_grad():
                outputs = named_outputs(network(x.requires_grad_().clone()))
    except Exception as error:  # a stranger's network
        if is_out_of_memory(error):
            raise
        return (Part(network),)
    if len(outputs) < 2:
        return (Part(only(network, next(iter(outputs), ""))) if outputs else Part(network),)
    names = class_outputs(outputs, _PROBES)[:MAX_PARTS]
    if not names:
        return (Part(network),)
    unread = described(outputs, names)
    return tuple(Part(only(network, name), name, unread) for name in names)
