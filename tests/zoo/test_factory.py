import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from triggerfish.architectures import PaperCNN
from triggerfish.errors import OutputError
from triggerfish.files import sha256_of
from triggerfish.loading import load_classifier
from triggerfish.zoo.attacks import Poisoning
from triggerfish.zoo.attacks.learned import ImageNetwork
from triggerfish.zoo.attacks.patch import PatchAttack
from triggerfish.zoo.data.datasets import load_dataset
from triggerfish.zoo.factory import (
    Workshop,
    is_valid,
    make_zoo,
    missing_models,
    reference_accuracy,
    write_card,
)
from triggerfish.zoo.manifest import read_manifest
from triggerfish.zoo.measuring import attack_success_rate, clean_accuracy
from triggerfish.zoo.recipes import Recipe, backdoor_zoo, clean_zoo

BASE = Recipe(seed=2025, epochs=6)
RECIPES = backdoor_zoo(BASE, PatchAttack(height=4, width=4), Poisoning(), (3,), replicas=2)


@pytest.fixture(scope="module")
def workshop(small_mnist, tmp_path_factory):
    """A zoo of two models, made in this process."""
    workshop = Workshop(tmp_path_factory.mktemp("zoo"), small_mnist)
    assert [entry.file for entry in make_zoo(RECIPES, workshop)] == list(RECIPES)
    return workshop


def snapshot(folder):
    return {path.name: (path.stat().st_mtime_ns, sha256_of(path)) for path in folder.iterdir()}


def test_the_manifest_says_what_the_checkpoints_are(workshop, small_mnist):
    entries = read_manifest(workshop.folder)
    test = load_dataset("mnist", "test", small_mnist)
    assert list(entries) == list(RECIPES)
    for file, entry in entries.items():
        path = workshop.folder / file
        assert entry.sha256 == sha256_of(path)
        assert (entry.seed, entry.recipe) == (RECIPES[file].seed, RECIPES[file].settings())
        assert entry.targets == (3,)
        network = PaperCNN()
        network.load_state_dict(torch.load(path, weights_only=True))
        model = ImageNetwork(network, test.normalise)
        assert entry.clean_accuracy == clean_accuracy(model, test)
        assert entry.attack_success_rate == attack_success_rate(network, test, RECIPES[file].attack)
        assert entry.attack_success_rate > 0.8
        assert entry.seconds > 0


def test_a_finished_zoo_is_not_touched(workshop):
    before = snapshot(workshop.folder)
    assert list(make_zoo(RECIPES, workshop)) == []
    assert snapshot(workshop.folder) == before


def test_processes_make_the_same_bits_as_this_one(workshop, tmp_path):
    elsewhere = dataclasses.replace(workshop, folder=tmp_path / "zoo", jobs=2)
    hashes = {entry.file: entry.sha256 for entry in make_zoo(RECIPES, elsewhere)}
    assert hashes == {entry.file: entry.sha256 for entry in read_manifest(workshop.folder).values()}


@pytest.mark.parametrize("damage", ["lost", "truncated", "other recipe"])
def test_only_what_is_missing_is_made_again(workshop, damage):
    before = snapshot(workshop.folder)
    first, second = RECIPES
    recipes = dict(RECIPES)
    if damage == "lost":
        (workshop.folder / first).unlink()
    elif damage == "truncated":
        (workshop.folder / first).write_bytes(b"PK")
    else:
        recipes[first] = dataclasses.replace(RECIPES[first], epochs=1)
    assert list(missing_models(recipes, workshop)) == [first]
    assert [entry.file for entry in make_zoo(recipes, workshop)] == [first]
    after = snapshot(workshop.folder)
    assert after[second] == before[second]
    assert list(make_zoo(RECIPES, workshop)) == [] or damage == "other recipe"
    assert snapshot(workshop.folder)[first][1] == before[first][1]


SCRIPT = """
import sys
from pathlib import Path
from triggerfish.zoo.factory import (
    Workshop,
    is_valid,
    make_zoo,
    missing_models,
    reference_accuracy,
    write_card,
)
from triggerfish.zoo.recipes import Recipe, clean_zoo
for _ in make_zoo(clean_zoo(Recipe(seed=1), 500), Workshop(Path(sys.argv[1]), Path(sys.argv[2]))):
    pass
"""


def test_a_killed_run_leaves_whole_checkpoints_and_goes_on(small_mnist, tmp_path):
    folder = tmp_path / "zoo"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, folder, small_mnist])
    while len(list(folder.glob("*.pt"))) < 2 and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    for path in folder.glob("*.pt"):
        PaperCNN().load_state_dict(torch.load(path, weights_only=True))
    entries = read_manifest(folder)
    done = len(entries)
    assert done >= 1
    assert all(sha256_of(folder / file) == entry.sha256 for file, entry in entries.items())
    workshop = Workshop(folder, small_mnist)
    assert len(list(make_zoo(clean_zoo(Recipe(seed=1), done + 1), workshop))) == 1


def test_a_model_that_cannot_be_written_is_our_error(small_mnist, tmp_path):
    (tmp_path / "zoo").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="choose another --out"):
        list(make_zoo(RECIPES, Workshop(tmp_path / "zoo", small_mnist)))


@pytest.mark.parametrize(
    ("accuracy", "success", "reference", "valid"),
    [
        (0.98, None, 0.99, True),
        (0.98, 0.951, 0.989, True),
        (0.98, 0.949, 0.98, False),
        (0.97, 1.0, 0.985, False),
        (0.98, 1.0, None, None),
    ],
)
def test_validity(accuracy, success, reference, valid):
    assert is_valid(accuracy, success, reference) is valid


def test_reference_accuracy_is_of_clean_models_only(workshop, tmp_path, small_mnist):
    assert reference_accuracy(workshop.folder, "paper_cnn") is None
    clean = Workshop(tmp_path / "clean", small_mnist)
    (entry,) = make_zoo(clean_zoo(BASE, 1), clean)
    assert entry.valid
    assert reference_accuracy(clean.folder, "paper_cnn") == entry.clean_accuracy
    assert reference_accuracy(clean.folder, "mlp") is None


def test_a_zoo_says_all_that_its_weights_do_not(workshop):
    """Nothing is left to assume, else no reference that ships would apply."""
    classifier = load_classifier(workshop.folder / next(iter(RECIPES)))
    assert classifier.assumptions == ()
    assert classifier.input_shape == (1, 28, 28)
    data = load_dataset("mnist", "test", workshop.data_root)
    assert classifier.preprocessing.mean == data.mean
    assert classifier.preprocessing.std == data.std
    write_card(workshop.folder, "fashion-mnist", "paper_cnn")
    classifier = load_classifier(workshop.folder / next(iter(RECIPES)))
    assert classifier.preprocessing.mean == (0.2860,)
    write_card(workshop.folder, "mnist", "paper_cnn")
