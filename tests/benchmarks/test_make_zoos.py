from collections import defaultdict
from dataclasses import replace

from benchmarks.criteria import PAIRWISE_ATTACKS
from benchmarks.make_zoos import PLANS, part_of
from benchmarks.small_zoo_plan import small_plan
from benchmarks.zoo_plan import CALIBRATION, ROUNDS, SEEDS, SMALL, full_plan
from triggerfish.reproduce import ZOO_FOLDERS


def split_of(folder):
    name = folder.parts[1]
    return "published" if name in ZOO_FOLDERS.values() else name.replace("calibration-", "")


def is_calibration(split):
    return split in ("calibration", *SMALL)


def test_splits_share_no_seed():
    seeds = defaultdict(set)
    for step in full_plan():
        split = split_of(step.folder)
        seeds["calibration" if is_calibration(split) else split].update(
            recipe.seed for recipe in step.recipes.values()
        )
    assert set(seeds) == {*SEEDS, "published"}
    together = [seed for split in seeds.values() for seed in split]
    assert len(together) == len(set(together))


def test_rounds_only_add_models():
    found = {}
    for step in full_plan():
        earlier = found.setdefault(step.folder, {})
        assert earlier.items() <= dict(step.recipes).items()
        found[step.folder] = dict(step.recipes)
    for folder, models in found.items():
        if len(folder.parts) == 2:  # clean models and the published folders
            calibration = folder.name.startswith("calibration")
            assert len(models) == (CALIBRATION if calibration else 100)
        elif folder.parts[1] == "reporting" and not folder.name.startswith("clean"):
            pairwise = folder.name.startswith(PAIRWISE_ATTACKS)
            assert len(models) == ROUNDS * (4 if pairwise else 1)


def test_development_comes_first_and_is_no_part_of_the_rounds():
    development = [split_of(step.folder) == "development" for step in full_plan()]
    first = development.index(False)
    assert first > 0
    assert not any(development[first:])


def test_parts_share_no_folder_and_leave_none_out():
    steps = full_plan()
    parts = [{step.folder for step in part_of(steps, k, 3)} for k in (1, 2, 3)]
    assert set.union(*parts) == {step.folder for step in steps}
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_models_of_the_small_plan_on_digits_are_those_of_the_full_plan():
    full = defaultdict(dict)
    for step in full_plan():
        full[step.folder].update(step.recipes)
    for step in small_plan():
        if step.origins is None and step.folder.parts[0] != "cifar10":
            for file, recipe in step.recipes.items():
                assert replace(recipe, precision="bfloat16") == full[step.folder][file]


def test_an_attack_is_implanted_after_its_origins_are_made():
    made = defaultdict(set)
    for step in small_plan():
        if step.origins:
            assert len(made[step.origins]) >= step.origin_count
        made[step.folder].update(step.recipes)


def test_plans_have_names():
    assert PLANS["small"]() == small_plan()
