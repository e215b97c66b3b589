"""The network of the published experiments (Khorsand and Nickabadi, IKT 2025)."""

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu


class PaperCNN(nn.Module):
    """Two convolutions and two linear layers; the state-dict keys are the published ones.

    Input: ``(N, channels, 28, 28)``, normalised. Output: logits ``(N, num_classes)``, or
    probabilities when ``softmax_head`` is set (the published export variant).
    """

    def __init__(
        self, num_classes: int = 10, channels: int = 1, *, softmax_head: bool = False
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 32, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(64 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, num_classes)
        self.softmax_head = softmax_head

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, 28, 28)`` to logits or probabilities ``(N, K)``."""
        # ReLU after the pooling gives the same values and gradients on a quarter of the data.
        x = relu(max_pool2d(self.conv1(x), 2))
        x = relu(max_pool2d(self.conv2(x), 2))
        x = self.fc2(relu(self.fc1(x.flatten(1))))
        return x.softmax(dim=1) if self.softmax_head else x
