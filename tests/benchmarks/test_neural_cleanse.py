import numpy as np
import pytest
import torch
from torch import nn
from trained import TARGET, classifier

from benchmarks.neural_cleanse import (
    NeuralCleanseConfig,
    Triggers,
    _Cost,
    clean_images,
    judge,
    neural_cleanse,
)
from triggerfish.model.classifier import Classifier
from triggerfish.zoo.data.datasets import load_dataset


def images():
    return clean_images(load_dataset("mnist", "test"))


def test_the_planted_class_needs_the_smallest_mask():
    found = neural_cleanse(classifier(backdoored=True), images(), NeuralCleanseConfig(steps=120))
    assert int(found.norm.argmin()) == TARGET
    assert judge(found).flagged == (TARGET,)
    assert float(found.norm[TARGET]) < 0.3 * float(found.norm.median())


def test_a_best_mask_sends_clean_images_to_its_class():
    model = classifier(backdoored=True)
    found = neural_cleanse(model, images(), NeuralCleanseConfig(steps=60))
    mask, pattern = found.mask[TARGET], found.pattern[TARGET]
    assert found.norm[TARGET] == pytest.approx(float(mask.sum()))
    assert float(mask.min()) >= 0
    assert float(pattern.max()) <= 1
    answer = model.logits((1 - mask) * images() + mask * pattern).argmax(1)
    assert float((answer == TARGET).double().mean()) >= 0.97


class _Constant(nn.Module):
    """Class 0 for every image, whatever is stamped on it."""

    def forward(self, x):
        return torch.tensor([9.0, 0.0, 0.0]).expand(len(x), 3) + 0 * x.flatten(1).sum(1)[:, None]


def test_a_class_that_no_mask_reaches_is_not_measured():
    model = Classifier(_Constant(), (1, 28, 28))
    found = neural_cleanse(model, images(), NeuralCleanseConfig(steps=15))
    assert found.norm.isnan().tolist() == [False, True, True]


def test_same_seed_same_answer():
    config = NeuralCleanseConfig(steps=12)
    first, second = (neural_cleanse(classifier(backdoored=False), images(), config) for _ in "ab")
    assert torch.equal(first.norm.nan_to_num(-1), second.norm.nan_to_num(-1))


def test_cost_follows_patience():
    config = NeuralCleanseConfig(patience=2, cost_up=1.5, cost_down=2.0)
    cost = _Cost(config, torch.tensor([1.0, 1.0, 1.0]))
    for succeeded in ([True, False, True], [True, False, False], [True, False, True]):
        cost.update(torch.tensor(succeeded))
    assert cost.value.tolist() == [1.5, 0.5, 1.0]


def test_the_anomaly_index_is_one_sided():
    norms = torch.tensor([10.0, 99, 98, 100, 101, 102, 103, 190])
    found = judge(Triggers(torch.empty(0), torch.empty(0), norms))
    assert found.flagged == (0,)
    median = np.median(norms)
    mad = np.median(np.abs(norms.numpy() - median))
    assert found.score[0] == pytest.approx((median - 10) / (1.4826 * mad), rel=1e-4)
    assert found.score[7] < 0


def test_clean_images_are_ten_of_each_class():
    data = load_dataset("mnist", "test")
    assert images().shape == (100, 1, 28, 28)
    assert torch.equal(images()[:10], data.images[data.labels == 0][:10].float() / 255)
