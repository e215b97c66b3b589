import dataclasses

import pytest
import torch
from PIL import Image
from torch import nn
from trained import TARGET, classifier

from triggerfish.detectors.min_norm import MinNorm, combined, log_ratios
from triggerfish.model.classifier import Classifier
from triggerfish.results import Status
from triggerfish.search.progress import listening

QUICK = MinNorm(steps=12, baselines=(0.0, 0.5))


def test_target_stands_out_and_clean_twin_does_not():
    backdoored = MinNorm()(classifier(backdoored=True))
    clean = MinNorm()(classifier(backdoored=False))
    assert backdoored.statistic.argmax() == TARGET
    assert backdoored.statistic[TARGET] > 1.5
    assert clean.statistic.max() < 0.8


def test_evidence_is_what_it_claims():
    scores = MinNorm()(classifier(backdoored=True))
    assert (scores.probability >= 0.9999 - 1e-6).all()
    assert (scores.logits.argmax(1) == torch.arange(10)).all()
    for k in range(10):
        shown = scores.norms[int(scores.shown_baseline[k])]
        norm = (scores.images[k] - float(shown.baseline)).abs().sum()
        assert norm.item() == pytest.approx(shown.norm[k].item(), abs=1e-3)


def test_a_baseline_that_already_is_the_class_is_shown_only_where_there_is_no_other():
    layer = nn.Linear(16, 3, bias=False)
    layer.weight.data = torch.stack([torch.ones(16), torch.zeros(16), -torch.ones(16)]) * 2
    model = Classifier(nn.Sequential(nn.Flatten(), layer), (1, 4, 4))
    scores = dataclasses.replace(QUICK, baselines=(1.0, 0.0))(model)
    assert scores.norms[0].baseline == "1.0"
    assert scores.norms[0].norm[0] == 0
    assert scores.shown_baseline[0] == 1
    alone = dataclasses.replace(QUICK, baselines=(1.0,))(model)
    assert alone.shown_baseline[0] == 0
    assert (alone.images[0] == 1).all()


def test_progress_grows_to_the_end():
    heard = []
    with listening(heard.append):
        dataclasses.replace(QUICK, memory_mib=3.0)(classifier(backdoored=True))
    assert len(heard) > 2
    assert heard == sorted(heard)
    assert heard[-1] == 1


def test_same_input_gives_the_same_bits():
    model = classifier(backdoored=True)
    first, second = QUICK(model), QUICK(model)
    assert torch.equal(first.statistic, second.statistic)
    assert torch.equal(first.images, second.images)


def test_batch_composition_changes_no_result():
    # float64, so that the order of sums in a batch of another size cannot move a pixel.
    model = classifier(backdoored=True, dtype=torch.float64)
    together = QUICK(model)
    apart = dataclasses.replace(QUICK, memory_mib=3.0)(model)
    torch.testing.assert_close(together.statistic, apart.statistic)
    torch.testing.assert_close(together.images, apart.images)


def test_classes_permuted_permutes_the_statistic():
    model = classifier(backdoored=True, dtype=torch.float64)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(3))
    permuted = Classifier(
        lambda x: model.logits(x)[:, order], (1, 28, 28), output="logits", dtype=torch.float64
    )
    torch.testing.assert_close(QUICK(permuted).statistic, QUICK(model).statistic[order])


def test_a_constant_added_to_all_logits_changes_nothing():
    model = classifier(backdoored=True, dtype=torch.float64)
    shifted = Classifier(
        lambda x: model.logits(x) + 7.0, (1, 28, 28), output="logits", dtype=torch.float64
    )
    torch.testing.assert_close(QUICK(shifted).statistic, QUICK(model).statistic)


def test_unreachable_class_is_a_status_and_no_number():
    layer = nn.Linear(16, 3, bias=False)
    layer.weight.data = torch.stack([torch.ones(16), -torch.ones(16), torch.zeros(16)]) * 2
    scores = QUICK(Classifier(nn.Sequential(nn.Flatten(), layer), (1, 4, 4)))
    assert scores.status == (Status.CONVERGED, Status.UNREACHABLE, Status.UNREACHABLE)
    assert scores.statistic[1:].isnan().all()


def test_log_ratios_by_hand():
    norm = torch.tensor([1.0, 2.0, 4.0, 0.0, torch.inf], dtype=torch.float64)
    ratios = log_ratios(norm, floor=0.01)
    median = torch.tensor(1.5, dtype=torch.float64)
    expected = (median / torch.tensor([1.0, 2.0, 4.0, 0.015], dtype=torch.float64)).log()
    torch.testing.assert_close(ratios[:4], expected)
    assert ratios[4].isnan()


def test_a_given_image_is_a_baseline(tmp_path):
    path = tmp_path / "grey.png"
    Image.new("L", (56, 56), 51).save(path)
    model = classifier(backdoored=True)
    from_file = dataclasses.replace(QUICK, baselines=(str(path),))(model)
    from_level = dataclasses.replace(QUICK, baselines=(0.2,))(model)
    torch.testing.assert_close(from_file.statistic, from_level.statistic)


def test_baselines_count_by_the_inverse_of_their_variance():
    noisy = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0], dtype=torch.float64)
    sharp = torch.tensor([-0.1, 0.1, 0.0, 2.0, -0.1], dtype=torch.float64)
    weights = [1 / ((mad / 0.6745) ** 2 + 0.1**2) for mad in (0.5, 0.1)]
    expected = (weights[0] * noisy + weights[1] * sharp) / sum(weights)
    together = combined(torch.stack([noisy, sharp]))
    torch.testing.assert_close(together, expected)
    assert together.argmax() == 3


def test_a_class_that_one_baseline_misses_is_judged_by_the_others():
    nan = torch.nan
    ratios = torch.tensor([[0.0, 0.1, nan, -0.1], [0.0, 0.1, 2.0, nan]], dtype=torch.float64)
    together = combined(ratios)
    assert together[2] == pytest.approx(2.0)
    assert together[3] == pytest.approx(-0.1)
    assert combined(torch.full((2, 3), nan)).isnan().all()


def test_a_restart_never_raises_a_norm_and_is_kept_apart():
    model = classifier(backdoored=False)
    once = dataclasses.replace(QUICK, restarts=1)(model)
    twice = dataclasses.replace(QUICK, restarts=2)(model)
    for one, other in zip(once.norms, twice.norms, strict=True):
        assert (other.norm <= one.norm).all()
        assert (other.norm < one.norm).any()
    torch.testing.assert_close(twice.restarts[0], once.statistic)
    assert not torch.equal(twice.restarts[0], twice.restarts[1])


def test_another_seed_restarts_elsewhere():
    model = classifier(backdoored=False)
    first, second = QUICK(model, seed=0), QUICK(model, seed=1)
    assert torch.equal(first.restarts[0], second.restarts[0])
    assert not torch.equal(first.restarts[1], second.restarts[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baselines": ()}, "at least one baseline"),
        ({"baselines": (1.5,)}, r"levels in \[0, 1\]"),
        ({"baselines": ("nowhere.png",)}, "no file"),
        ({"norm_floor": 0.0}, "norm_floor"),
        ({"restarts": 0}, "restarts >= 1"),
        ({"jitter": 1.5}, "jitter <= 1"),
        ({"memory_mib": 0.0}, "memory"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        MinNorm(**settings)
