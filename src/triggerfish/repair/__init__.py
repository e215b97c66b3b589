"""A flagged model -> a cleaned one: the scan's findings are unlearned, without any data."""

from __future__ import annotations

from triggerfish.repair.channel_pruning import ChannelPruning
from triggerfish.repair.method import RepairMethod, Task
from triggerfish.repair.unlearning import Unlearning

__all__ = ["METHODS", "ChannelPruning", "RepairMethod", "Task", "Unlearning"]

METHODS: dict[str, type[RepairMethod]] = {
    method.name: method for method in (Unlearning, ChannelPruning)
}
