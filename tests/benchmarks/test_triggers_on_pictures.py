import json

import pytest
import torch
from click.testing import CliRunner

from benchmarks import common, pictures_table, triggers_on_pictures, zoo_summary
from benchmarks.triggers_on_pictures import FAMILIES, Suspect, Trigger, family, main, success
from triggerfish.zoo.attacks import PRESETS
from triggerfish.zoo.factory import Workshop, make_zoo
from triggerfish.zoo.recipes import Recipe, attack_zoo, clean_zoo


def answer(images):
    """Class 3 where the corner is exactly white, else 0 or 1 by the brightness."""
    called = torch.where(images.mean((1, 2, 3)) > 0.5, 1, 0)
    called = torch.where(images[:, 0, 0, 0] == 1, 3, called)
    return torch.nn.functional.one_hot(called, 4).float()


def white_corner(images):
    stamped = images.clone()
    stamped[..., 0, 0] = 1
    return stamped


def suspect(*triggers):
    return Suspect("m", "0", "mnist", "net", "white", 1.0, True, (1, 8, 8), answer, triggers)


IMAGES = torch.cat([torch.full((30, 1, 8, 8), 0.9), torch.full((10, 1, 8, 8), 0.1)])


def test_a_planted_trigger_always_fires_and_another_never():
    to_three = Trigger(white_corner, lambda called: torch.full_like(called, 3))
    to_two = Trigger(white_corner, lambda called: torch.full_like(called, 2))
    assert success(suspect(to_three), IMAGES) == (1.0, 40)
    assert success(suspect(to_three, to_two), IMAGES) == (0.0, 40)


def test_only_pictures_that_are_to_move_count():
    from_zero = Trigger(white_corner, lambda called: torch.where(called == 0, 3, called))
    assert success(suspect(from_zero), IMAGES) == (1.0, 10)
    from_two = Trigger(white_corner, lambda called: torch.where(called == 2, 3, called))
    assert success(suspect(from_two), IMAGES) == (None, 0)


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_pictures_and_always_the_same(name):
    drawn = family(name, 8, (3, 12, 12))
    assert drawn.shape == (8, 3, 12, 12)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    family.cache_clear()
    assert torch.equal(family(name, 8, (3, 12, 12)), drawn)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def test_a_zoo_is_measured_once_and_summarised(small_zoo_root, results):
    arguments = ["--zoos", str(small_zoo_root), "--count", "40"]
    first = CliRunner().invoke(main, arguments)
    assert first.exit_code == 0, first.output
    assert "mnist/reporting/white-mlp/mnist_white_t4_0.pt" in first.output
    assert CliRunner().invoke(main, arguments).output == ""
    (row,) = json.loads((results / "triggers_on_pictures.json").read_text())["zoos"].values()
    assert (row["attack"], row["network"], row["count"]) == ("white", "mlp", 40)
    assert row["success"].keys() == FAMILIES.keys()
    assert CliRunner().invoke(zoo_summary.main, [str(small_zoo_root)]).exit_code == 0
    text = (small_zoo_root / "README.md").read_text()
    assert "| mnist/reporting/white-mlp | mnist_white_t4_0.pt | - | 4 |" in text
    assert "2 models." in text
    assert "| mnist/reporting/white-mlp | 1 |" in zoo_summary.table()


@pytest.fixture(scope="module")
def small_zoo_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("zoos")
    base = Recipe(seed=1, architecture="mlp", steps=40)
    folder = root / "mnist" / "reporting"
    list(make_zoo(clean_zoo(base, 1), Workshop(folder / "clean-mlp")))
    recipes = attack_zoo(base, "white", PRESETS["white"], (4,), 1)
    list(make_zoo(recipes, Workshop(folder / "white-mlp")))
    return root


STRANGER = """
import torch
def load(record): return lambda images: torch.eye(3)[(images[:, 0, 0, 0] == 1).long()]
def stamp(record, images):
    images = images.clone()
    images[..., 0, 0] = 1
    return images
"""


def test_networks_of_other_people_are_opened_by_their_code(tmp_path, results):
    (tmp_path / "networks.py").write_text(STRANGER)
    record = {
        "id": "x", "weights": "w", "data": "cifar10", "attacked": True, "split": "develop",
        "attack": "all-to-one", "trigger": "dot", "targets": [1], "success": 0.9,
        "input_shape": [3, 8, 8], "num_classes": 3,
    }  # fmt: skip
    lines = [record, {**record, "split": "report"}, {**record, "attacked": False}]
    (tmp_path / "manifest.jsonl").write_text("\n".join(map(json.dumps, lines)))
    arguments = ["--strangers", str(tmp_path), "--count", "40"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    table = pictures_table.table().splitlines()
    cells = [cell.strip() for cell in table[2].split("|")[1:-1]]
    assert cells[:4] == ["cifar10, other people's", "dot", "1", "0.90"]
    assert cells[4:] == ["1.00"] * 5


def test_shares_of_few_pictures_and_failed_attacks_are_left_out(results):
    row = {
        "sha256": "0", "count": 40, "data": "mnist", "network": "n", "attack": "a", "valid": True,
        "test": 0.9, "moved": dict.fromkeys(FAMILIES, 19), "success": dict.fromkeys(FAMILIES, 1.0),
    }  # fmt: skip
    failed = {**row, "attack": "b", "valid": False}
    common.record(triggers_on_pictures.NAME, "zoos", {"1": row, "2": failed})
    assert pictures_table.table().splitlines()[2:] == [
        "| mnist, n | a | 1 | 0.90 | - | - | - | - | - |",
        "| mnist, n | all | 1 | 0.90 | - | - | - | - | - |",
    ]
