import torch

from triggerfish.architectures import PaperCNN


def test_published_state_dict():
    shapes = {key: tuple(value.shape) for key, value in PaperCNN().state_dict().items()}
    assert shapes == {
        "conv1.weight": (32, 1, 3, 3), "conv1.bias": (32,),
        "conv2.weight": (64, 32, 3, 3), "conv2.bias": (64,),
        "fc1.weight": (128, 3136), "fc1.bias": (128,),
        "fc2.weight": (10, 128), "fc2.bias": (10,),
    }  # fmt: skip


def test_pooling_before_relu_is_the_published_network():
    network, x = PaperCNN().double(), torch.randn(4, 1, 28, 28, dtype=torch.float64)

    def published(x):
        x = torch.nn.functional.max_pool2d(network.conv1(x).relu(), 2)
        x = torch.nn.functional.max_pool2d(network.conv2(x).relu(), 2)
        return network.fc2(network.fc1(x.flatten(1)).relu())

    assert torch.equal(network(x), published(x))
    gradients = [
        torch.autograd.grad(forward(x)[:, 3].sum(), list(network.parameters()))
        for forward in (network, published)
    ]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_softmax_head_gives_probabilities():
    probabilities = PaperCNN(softmax_head=True)(torch.rand(2, 1, 28, 28))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2))
