from dataclasses import replace

import pytest
import torch

from triggerfish.architectures import ARCHITECTURES
from triggerfish.errors import CheckpointError
from triggerfish.files import sha256_of
from triggerfish.zoo.attacks import preset_for
from triggerfish.zoo.factory import Workshop, make_zoo, missing_models
from triggerfish.zoo.manifest import read_manifest
from triggerfish.zoo.origin import find_origins, load_origin, tuned_zoo
from triggerfish.zoo.recipes import Origin, Recipe, attack_zoo, clean_zoo

BASE = Recipe(seed=1, architecture="mlp", epochs=12)


@pytest.fixture(scope="module")
def clean(small_mnist, tmp_path_factory):
    """A zoo of two clean networks."""
    folder = tmp_path_factory.mktemp("clean")
    list(make_zoo(clean_zoo(BASE, 2), Workshop(folder, small_mnist)))
    return folder


def attacked(clean, count=1, steps=60):
    preset = preset_for("blended", "mnist").tuned()
    recipes = attack_zoo(replace(BASE, seed=50), "blended", preset, (3, 4, 5), count)
    return tuned_zoo(recipes, find_origins(clean).origins, steps)


def test_a_zoo_offers_its_clean_models_and_a_checkpoint_itself(clean, tmp_path):
    found = find_origins(clean)
    names = [origin.path.name for origin in found.origins]
    assert names == ["mnist_model_000.pt", "mnist_model_001.pt"]
    assert found.architecture == "mlp"
    one = find_origins(clean / names[1])
    assert (one.origins, one.architecture) == (found.origins[1:], "mlp")
    elsewhere = tmp_path / "stranger.pt"
    elsewhere.write_bytes((clean / names[0]).read_bytes())
    assert find_origins(elsewhere).origins[0].sha256 == found.origins[0].sha256
    assert find_origins(elsewhere).architecture is None


def test_a_folder_without_clean_models_is_an_error(tmp_path):
    with pytest.raises(CheckpointError, match="expected clean models of one network"):
        find_origins(tmp_path)


def test_origins_are_taken_in_turn(clean):
    origins = [recipe.origin.path.name[-6:-3] for recipe in attacked(clean, 3).values()]
    assert origins == ["000", "001", "000"]


def test_an_attack_is_implanted_and_the_network_stays_what_it_was(clean, small_mnist, tmp_path):
    recipes = attacked(clean)
    workshop = Workshop(tmp_path, small_mnist)
    (entry,) = make_zoo(recipes, workshop)
    origin = read_manifest(clean)["mnist_model_000.pt"]
    assert entry.recipe["origin"] == {"file": origin.file, "sha256": origin.sha256}
    assert entry.attack_success_rate > 0.9
    assert entry.clean_accuracy > origin.clean_accuracy - 0.05
    before, after = (
        torch.load(path, weights_only=True)["fc1.weight"]
        for path in (clean / origin.file, tmp_path / entry.file)
    )
    assert torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1] > 0.8
    assert missing_models(recipes, workshop) == {}
    assert list(missing_models(attacked(clean, steps=61), workshop)) == [entry.file]


def test_validity_is_measured_against_the_origin(clean, small_mnist, tmp_path):
    (entry,) = make_zoo(
        attacked(clean, steps=1), Workshop(tmp_path, small_mnist, clean_reference=0.0)
    )
    assert entry.valid is False


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a checkpoint", "expected the state dict of a MLP"),
        ("lenet", "expected the state dict of a MLP"),
        ("another file", "it changed while the zoo was being made"),
    ],
)
def test_what_is_no_origin_ends_in_one_line(content, says, clean, tmp_path):
    path = tmp_path / "model.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        network = ARCHITECTURES["lenet" if content == "lenet" else "mlp"](10, 1)
        torch.save(network.state_dict(), path)
    sha256 = "0" * 64 if content == "another file" else sha256_of(path)
    with pytest.raises(CheckpointError, match=says) as error:
        load_origin(ARCHITECTURES["mlp"](10, 1), Origin(path, sha256))
    assert "\n" not in str(error.value)
