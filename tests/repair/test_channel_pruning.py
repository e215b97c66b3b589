import pytest
import torch
from torch import nn

from triggerfish.errors import UnsupportedModelError
from triggerfish.model.classifier import Classifier
from triggerfish.repairs import ChannelPruning, Task
from triggerfish.repairs.channel_pruning import lipschitz_bounds

TASK = Task((0,))


def test_the_bound_is_the_largest_singular_value_times_the_scale_of_the_norm():
    layer = nn.Conv2d(2, 2, (1, 2), bias=False)
    # As matrices (C_in, width): diag(3, 4), and a rank-one matrix of Frobenius norm 2.
    layer.weight.data = torch.tensor([[[[3.0, 0]], [[0, 4]]], [[[1.0, 1]], [[1, 1]]]])
    assert lipschitz_bounds(layer, None).tolist() == pytest.approx([4, 2])
    norm = nn.BatchNorm2d(2, eps=0.0)
    norm.weight.data, norm.running_var = torch.tensor([-0.5, 6.0]), torch.tensor([4.0, 9.0])
    assert lipschitz_bounds(layer, norm).tolist() == pytest.approx([4 * 0.5 / 2, 2 * 6 / 3])


def network(*, norm: bool) -> nn.Sequential:
    torch.manual_seed(0)
    convolution = nn.Conv2d(1, 20, 3)
    with torch.no_grad():
        convolution.weight[7] *= 50
    between = [nn.BatchNorm2d(20)] if norm else []
    return nn.Sequential(convolution, *between, nn.ReLU(), nn.Flatten(), nn.Linear(720, 4))


@pytest.mark.parametrize("norm", [True, False])
def test_only_the_channel_that_stands_out_is_switched_off(norm):
    original = Classifier(network(norm=norm), (1, 8, 8))
    model = ChannelPruning()(original, TASK)
    answer = model[: 2 if norm else 1](torch.rand(3, 1, 8, 8))
    assert [k for k in range(20) if not answer[:, k].any()] == [7]
    for before, after in zip(original.model.parameters(), model.parameters(), strict=True):
        kept = [k for k in range(len(before)) if k != 7 or len(before) != 20]
        assert torch.equal(before[kept], after[kept])
    assert original.model[int(norm)].weight[7].any()


def test_a_network_without_convolutions_is_refused():
    layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(UnsupportedModelError, match="use --method unlearning"):
        ChannelPruning()(Classifier(layers, (1, 8, 8)), TASK)
