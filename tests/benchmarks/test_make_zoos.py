from collections import defaultdict

from benchmarks.make_zoos import SEEDS, full_plan, part_of


def test_splits_share_no_seed():
    seeds = defaultdict(set)
    for step in full_plan():
        (split,) = set(step.folder.parts) & set(SEEDS)
        seeds[split].update(recipe.seed for recipe in step.recipes.values())
    assert set(seeds) == set(SEEDS)
    together = [seed for split in seeds.values() for seed in split]
    assert len(together) == len(set(together))


def test_rounds_only_add_models():
    found = {}
    for step in full_plan():
        earlier = found.setdefault(step.folder, {})
        assert earlier.items() <= dict(step.recipes).items()
        found[step.folder] = dict(step.recipes)
    sizes = {(folder.parts[1], folder.parts[2]): len(models) for folder, models in found.items()}
    assert sizes == {
        ("clean", "calibration"): 100,
        ("clean", "held-out"): 100,
        ("attacks", "development"): 4,
        ("attacks", "reporting"): 8,
        ("varieties", "development"): 4,
        ("varieties", "reporting"): 4,
    }


def test_parts_share_no_folder_and_leave_none_out():
    steps = full_plan()
    parts = [{step.folder for step in part_of(steps, k, 3)} for k in (1, 2, 3)]
    assert set.union(*parts) == {step.folder for step in steps}
    assert sum(map(len, parts)) == len(set.union(*parts))
    models = [
        sum(len(step.recipes) for step in part_of(steps[-50:], k, 2) if "reporting" in str(step))
        for k in (1, 2)
    ]
    assert min(models) > 0.6 * max(models)
