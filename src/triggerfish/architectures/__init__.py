"""Built-in networks by name: ``ARCHITECTURES[name](num_classes, channels) -> nn.Module``."""

from collections.abc import Callable

from torch import nn

from triggerfish.architectures.paper_cnn import PaperCNN

Architecture = Callable[[int, int], nn.Module]

ARCHITECTURES: dict[str, Architecture] = {"paper_cnn": PaperCNN}

__all__ = ["ARCHITECTURES", "Architecture", "PaperCNN"]
