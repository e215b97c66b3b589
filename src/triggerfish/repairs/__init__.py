"""A flagged model -> a cleaned one: the scan's findings are unlearned, without any data."""

from __future__ import annotations

from triggerfish.repairs.channel_pruning import ChannelPruning
from triggerfish.repairs.method import RepairMethod, Task
from triggerfish.repairs.repair import Repaired, repair
from triggerfish.repairs.unlearning import Unlearning

__all__ = [
    "METHODS",
    "ChannelPruning",
    "RepairMethod",
    "Repaired",
    "Task",
    "Unlearning",
    "repair",
]

METHODS: dict[str, type[RepairMethod]] = {
    method.name: method for method in (Unlearning, ChannelPruning)
}
