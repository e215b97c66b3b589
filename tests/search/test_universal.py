import pytest
import torch
from torch import nn
from trained import TARGET, classifier

from triggerfish.model.classifier import Classifier
from triggerfish.search.picture_pool import UNTARGETED, PicturePool, success_rate
from triggerfish.search.pictures import pictures
from triggerfish.search.universal import UniversalSearch, search_universal
from triggerfish.search.universal_settings import BudgetRule, ProgramRule, Race

SHAPE = (1, 8, 8)
PIXEL, FREQUENCY = False, True


def linear(weights: torch.Tensor, bias: torch.Tensor | None = None) -> Classifier:
    layer = nn.Linear(weights.shape[1], len(weights))
    layer.weight.data, layer.bias.data = (
        weights,
        torch.zeros(len(weights)) if bias is None else bias,
    )
    return Classifier(nn.Sequential(nn.Flatten(), layer), SHAPE)


def random_network(seed: int = 0, classes: int = 4) -> Classifier:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, classes)
    )
    with torch.no_grad():
        net[3].weight *= 5
    return Classifier(net, SHAPE)


def search(model, target, frequency=PIXEL, count=200, **options):
    pool = PicturePool.of(model, pictures(count, SHAPE))
    rows = torch.tensor(target)
    config = UniversalSearch(**options)
    return search_universal(model, pool, rows, torch.full_like(rows, frequency).bool(), config)


def test_a_linear_classifier_gets_its_closed_form_optimum():
    # Class 1 needs slope . (x + d) > 2.2. Pictures are mid-grey, so nothing is clamped.
    slope = torch.zeros(64)
    slope[[5, 20, 41]] = torch.tensor([4.0, -3.0, 1.0])
    model = linear(torch.stack([torch.zeros(64), slope]), torch.tensor([0.0, -2.2]))
    pool = PicturePool.of(model, torch.full((64, *SHAPE), 0.5))
    # At grey slope . x = 1: 1.2 are missing, and the steepest pixel gives 4 a unit.
    found = search_universal(
        model, pool, torch.tensor([1]), torch.tensor([PIXEL]), UniversalSearch(steps=120, race=None)
    )
    assert found.converged.all()
    assert found.size.item() == pytest.approx(0.3, rel=0.15)
    assert found.perturbation.flatten().abs().argmax() == 5
    assert found.perturbation.flatten()[5] == pytest.approx(
        found.perturbation.abs().sum().item(), rel=1e-4
    )


def test_a_wave_costs_one_coefficient_in_the_frequency_basis():
    from triggerfish.search.frequency import cosine_basis

    basis = cosine_basis(SHAPE, 0.625, torch.device("cpu"), torch.float32)
    one = torch.zeros(1, *SHAPE)
    one[0, 0, 0, 3] = 1
    slope = 10 * basis.synthesize(one).flatten()
    model = linear(torch.stack([torch.zeros(64), slope]), torch.tensor([0.0, -4.0]))
    found = search(model, [1], FREQUENCY, steps=80)
    coefficients = basis.analyze(found.perturbation)
    assert coefficients.abs().sum() == pytest.approx(coefficients[0, 0, 0, 3].item(), rel=1e-3)


def test_a_class_out_of_reach_is_a_status():
    weights = torch.zeros(3, 64)
    weights[0, :8], weights[1, 8:16] = 1.0, 1.0
    found = search(linear(weights, torch.tensor([0.0, 0.0, -1000.0])), [0, 1, 2])
    assert found.converged.tolist() == [True, True, False]
    assert found.success[2] == 0


def test_all_rows_together_find_what_each_finds_alone():
    model = random_network()
    together = search(model, [0, 1, 2, UNTARGETED])
    for row, target in enumerate([0, 1, 2, UNTARGETED]):
        alone = search(model, [target])
        assert torch.allclose(alone.perturbation[0], together.perturbation[row], atol=1e-4)
        assert alone.size[0].item() == pytest.approx(together.size[row].item(), rel=1e-4)


def test_class_order_does_not_matter():
    model, order = random_network(), torch.tensor([2, 0, 3, 1])

    def permuted(x):
        return model.logits(x)[:, order]

    other = Classifier(permuted, SHAPE, output="logits")
    sizes = search(model, [0, 1, 2, 3], race=None).size
    assert torch.allclose(search(other, [0, 1, 2, 3], race=None).size, sizes[order], rtol=1e-4)


def test_seed_decides_and_parameters_stay():
    model = random_network()
    before = [p.clone() for p in model.model.parameters()]
    first, second = search(model, [0, 1]), search(model, [0, 1])
    assert torch.equal(first.perturbation, second.perturbation)
    assert all(torch.equal(a, b) for a, b in zip(before, model.model.parameters(), strict=True))


def test_dear_classes_stop_early():
    weights = torch.zeros(8, 64)
    for k in range(8):
        weights[k, 8 * k : 8 * k + 8] = 1.0
    model = linear(weights, -0.4 * torch.arange(8))
    race = Race(rungs=(0.5, 0.75), survivors=(0.2, 0.2), least=2, middle=2)
    found = search(model, list(range(8)), steps=40, race=race)
    assert (found.steps[:2] == 40).all()
    assert (found.steps == 40).sum() < 8
    whole = search(model, list(range(8)), steps=40, race=None)
    assert found.size[:2].max() < found.size[2:].min()
    assert torch.allclose(found.size[:2], whole.size[:2])
    assert found.size.median().item() == pytest.approx(whole.size.median().item(), rel=0.15)


def test_waves_are_searched_from_every_start_and_the_smaller_counts():
    model, rows = random_network(), [0, 1, 2]
    both = search(model, rows, FREQUENCY, race=None)
    nothing = search(model, rows, FREQUENCY, race=None, budget=BudgetRule(wave_starts=()))
    wave = search(model, rows, FREQUENCY, race=None, budget=BudgetRule(frequency_starts=()))
    assert all(found.converged.all() for found in (both, nothing, wave))
    assert torch.allclose(both.size, torch.minimum(nothing.size, wave.size))
    better = both.size == wave.size
    assert torch.equal(both.perturbation[better], wave.perturbation[better])


def test_budgets_are_held_and_parts_kept_apart():
    model = random_network()
    pools = [PicturePool.of(model, pictures(60, SHAPE, seed)) for seed in (0, 1)]
    rows, basis = torch.tensor([0, 1, 0]), torch.zeros(3).bool()
    part, within = torch.tensor([0, 1, 1]), torch.tensor([0.5, 1.0, 2.0])
    found = search_universal(
        model, PicturePool.joined(pools), rows, basis, UniversalSearch(race=None), part=part,
        within=within,
    )  # fmt: skip
    assert torch.allclose(found.size, within)
    assert (found.perturbation.abs().sum((1, 2, 3)) <= within + 1e-4).all()
    alone = search_universal(
        model, pools[0], rows[:1], basis[:1], UniversalSearch(race=None), within=within[:1]
    )
    assert found.success[0] == pytest.approx(alone.success[0].item(), abs=0.3)


def test_memory_limit_changes_nothing():
    model = random_network()
    pool = PicturePool.of(model, pictures(100, SHAPE))
    rows, basis = torch.tensor([0, 1, 2]), torch.tensor([PIXEL, FREQUENCY, PIXEL])
    whole, parts = (
        search_universal(model, pool, rows, basis, UniversalSearch(), rows_at_once=n)
        for n in (512, 8)
    )
    assert torch.allclose(whole.perturbation, parts.perturbation, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps"),
        ({"budget": BudgetRule(wanted=1.5)}, "wanted"),
        ({"program": ProgramRule(momentum=1.0)}, "momentum"),
        ({"race": Race(survivors=(0.0, 0.1, 0.1, 0.1, 0.1))}, "survivors"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        UniversalSearch(**options)


def test_planted_backdoor_is_by_far_the_cheapest_class():
    model = classifier(backdoored=True)
    pool, fresh = PicturePool.of(model, pictures(300, (1, 28, 28))).split(200)
    target = torch.arange(10)
    found = search_universal(
        model, pool, target, torch.zeros(10).bool(), UniversalSearch(race=None)
    )
    assert found.size.argmin() == TARGET
    others = found.size[torch.arange(10) != TARGET]
    assert found.size[TARGET] < 0.4 * others.min()
    assert (
        success_rate(
            model, fresh, found.perturbation[TARGET : TARGET + 1], target[TARGET : TARGET + 1]
        )
        >= 0.6
    )
    corner = found.perturbation[TARGET, 0, :4, :4].abs().sum()
    assert corner > 0.5 * found.perturbation[TARGET].abs().sum()
