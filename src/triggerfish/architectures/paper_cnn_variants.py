"""The published network with what people add to it: batch normalisation, dropout."""

from torch import Tensor, nn
from torch.nn.functional import dropout, max_pool2d, relu

from triggerfish.architectures.paper_cnn import PaperCNN


class PaperCNNBatchNorm(PaperCNN):
    """`PaperCNN` with batch normalisation after both convolutions (keys ``bn1``, ``bn2``)."""

    def __init__(self, num_classes: int = 10, channels: int = 1) -> None:
        super().__init__(num_classes, channels)
        self.bn1 = nn.BatchNorm2d(32)
        self.bn2 = nn.BatchNorm2d(64)

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, 28, 28)`` to logits ``(N, K)``."""
        x = max_pool2d(relu(self.bn1(self.conv1(x))), 2)
        x = max_pool2d(relu(self.bn2(self.conv2(x))), 2)
        logits: Tensor = self.fc2(relu(self.fc1(x.flatten(1))))
        return logits


class PaperCNNDropout(PaperCNN):
    """`PaperCNN` with dropout of 0.25 before and 0.5 after the first linear layer.

    Same state-dict keys, and in evaluation mode the same function.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map normalised images ``(N, C, 28, 28)`` to logits ``(N, K)``."""
        x = relu(max_pool2d(self.conv1(x), 2))
        x = relu(max_pool2d(self.conv2(x), 2))
        x = relu(self.fc1(dropout(x.flatten(1), 0.25, self.training)))
        logits: Tensor = self.fc2(dropout(x, 0.5, self.training))
        return logits
