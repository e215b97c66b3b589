"""LeNet-5 (LeCun et al. 1998) with ReLU and max-pooling, as it is commonly trained today."""

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu


class LeNet(nn.Module):
    """Two 5x5 convolutions of 6 and 16 channels, three linear layers.

    Input: ``(N, channels, size, size)``, normalised; ``size`` is 28 or 32 as a rule, and a multiple
    of 4. Output: logits ``(N, num_classes)``.
    """

    def __init__(self, num_classes: int = 10, channels: int = 1, size: int = 28) -> None:
        super().__init__()
        side = (size // 2 - 4) // 2
        self.conv1 = nn.Conv2d(channels, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, size, size)`` to logits ``(N, K)``."""
        x = relu(max_pool2d(self.conv1(x), 2))
        x = relu(max_pool2d(self.conv2(x), 2))
        logits: Tensor = self.fc3(relu(self.fc2(relu(self.fc1(x.flatten(1))))))
        return logits
