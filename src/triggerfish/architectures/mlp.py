"""A network without convolutions."""

from torch import Tensor, nn
from torch.nn.functional import relu


class MLP(nn.Module):
    """Two hidden layers of 256 and 128 units on the flattened image.

    Input: ``(N, channels, size, size)``, normalised. Output: logits ``(N, num_classes)``.
    """

    def __init__(self, num_classes: int = 10, channels: int = 1, size: int = 28) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels * size * size, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, size, size)`` to logits ``(N, K)``."""
        x = relu(self.fc2(relu(self.fc1(x.flatten(1)))))
        logits: Tensor = self.fc3(x)
        return logits
