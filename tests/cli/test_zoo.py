import gzip
import json

import pytest
import torch
from click.testing import CliRunner

from triggerfish.cli.zoo import zoo
from triggerfish.zoo.attacks import PRESETS
from triggerfish.zoo.data.datasets import load_dataset


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for split, prefix in (("train", "train"), ("test", "t10k")):
        data = load_dataset("mnist", split)
        images = (0, 0, 8, 3, *bytes(3), 99, *bytes(3), 28, *bytes(3), 28)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(bytes(images) + data.images[:99].numpy().tobytes())
        )
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(
                bytes((0, 0, 8, 1, 0, 0, 0, 99)) + data.labels[:99].byte().numpy().tobytes()
            )
        )
    return folder


def run(*arguments, code=0):
    result = CliRunner().invoke(zoo, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def models(folder):
    return json.loads((folder / "manifest.json").read_text())["models"]


def test_clean(root, tmp_path):
    arguments = ("clean", "--count", 2, "--jobs", 1, "--data-root", root, "--out", tmp_path)
    result = run(*arguments)
    folder = tmp_path / "clean_mnist_models"
    assert result.stdout == f"{folder}: 2 trained, 0 already there\n"
    assert "mnist_model_001.pt: accuracy" in result.stderr
    assert [(model["file"], model["seed"]) for model in models(folder)] == [
        ("mnist_model_000.pt", 1337),
        ("mnist_model_001.pt", 1338),
    ]
    assert run(*arguments).stdout == f"{folder}: 0 trained, 2 already there\n"


def test_backdoor_takes_all_its_settings(root, tmp_path):
    run(
        "backdoor", "--targets", "3,7", "--replicas", 1, "--trigger-size", "3x5",
        "--trigger-position", "bottom-right", "--poisoning-rate", 0.5, "--epochs", 1,
        "--softmax-head", "--seed", 5, "--jobs", 1, "--data-root", root, "--out", tmp_path,
    )  # fmt: skip
    first, second = models(tmp_path / "saved_models_backdoor_10x10")
    assert (first["file"], first["seed"], first["targets"]) == ("mnist_trigger_t3_0.pt", 305, [3])
    assert (second["file"], second["seed"], second["targets"]) == (
        "mnist_trigger_t7_0.pt", 705, [7],
    )  # fmt: skip
    recipe = first["recipe"]
    assert recipe["poisoning"]["rate"] == 0.5
    assert recipe["epochs"] == 1
    assert recipe["softmax_head"] is True
    attack = recipe["attack"]
    assert [attack[key] for key in ("height", "width", "row", "column")] == [3, 5, -1, -1]
    weights = torch.load(
        tmp_path / "saved_models_backdoor_10x10" / first["file"], weights_only=True
    )
    assert "conv1.weight" in weights


def test_dynamic(root, tmp_path):
    run("dynamic", "--count", 2, "--jobs", 1, "--data-root", root, "--out", tmp_path)
    folder = tmp_path / "saved_models_dynamic_backdoor_10x10"
    assert [(model["file"], model["seed"]) for model in models(folder)] == [
        ("mnist_trigger_t0_h1_w1.pt", 2126),
        ("mnist_trigger_t0_h4_w8.pt", 2433),
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--trigger-size", "2by2"),
            "--trigger-size takes a height and a width, such as 2x2, not 2by2",
        ),
        (("--trigger-size", "2x2x2"), "--trigger-size takes a height and a width"),
        (
            ("--trigger-position", "middle"),
            "--trigger-position takes a corner, or a row and a column",
        ),
        (("--targets", "1,,2"), "--targets takes classes, such as 0,3,7, not 1,,2"),
        (("--device", "abacus"), "expected a device that works here"),
        (("--poisoning-rate", "1.5"), "1.5 is not in the range"),
    ],
)
def test_bad_arguments_end_in_one_line(arguments, says):
    result = run("backdoor", *arguments, code=2)
    assert says in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--trigger-size", "2x29"), "expected a trigger inside the image"),
        (("--targets", "10"), "expected target classes 0 to 9, got 10"),
    ],
)
def test_settings_that_do_not_fit_the_data_end_in_one_line(root, tmp_path, arguments, says):
    common = ("--count", 1, "--jobs", 1, "--data-root", root, "--out", tmp_path)
    result = run("backdoor", *common, *arguments, code=2)
    assert says in result.stderr


def test_attack_is_compared_with_the_clean_models_beside_it(root, tmp_path):
    common = ("--count", 1, "--jobs", 1, "--data-root", root, "--out", tmp_path)
    run("clean", "--epochs", 1, *common)
    result = run("attack", "sig", "--targets", "4", "--poisoning-rate", 0.05, *common)
    (model,) = models(tmp_path / "mnist_sig_models")
    assert (model["file"], model["seed"]) == ("mnist_sig_t4_0.pt", 4425)
    assert model["recipe"]["poisoning"]["rate"] == 0.05
    assert model["attack_success_rate"] < 0.95
    assert model["valid"] is False
    assert "(not valid)" in result.stderr


def test_a_variety_has_its_own_folder(root, tmp_path):
    common = ("--count", 1, "--jobs", 1, "--data-root", root, "--out", tmp_path)
    run("clean", "--variety", "mlp", *common)
    (model,) = models(tmp_path / "clean_mnist_mlp_models")
    assert model["recipe"]["architecture"] == "mlp"


def test_network_and_training_are_options(root, tmp_path):
    common = ("--count", 1, "--jobs", 1, "--data-root", root, "--out", tmp_path)
    run(
        "clean", "--architecture", "lenet", "--epochs", 1, "--optimizer", "sgd", "--schedule",
        "one-cycle", "--learning-rate", 0.05, "--augmentation", "flip-crop", "--precision",
        "bfloat16", *common,
    )  # fmt: skip
    (model,) = models(tmp_path / "clean_mnist_lenet_models")
    chosen = {key: model["recipe"][key] for key in ("optimizer", "schedule", "learning_rate")}
    assert chosen == {"optimizer": "sgd", "schedule": "one-cycle", "learning_rate": 0.05}
    assert model["recipe"]["augmentation"] == "flip-crop"
    assert model["recipe"]["precision"] == "bfloat16"


def test_attacks_are_implanted_in_a_zoo_or_a_checkpoint(root, tmp_path):
    common = ("--count", 2, "--jobs", 1, "--data-root", root, "--out", tmp_path)
    run("clean", "--architecture", "mlp", "--epochs", 1, *common)
    clean = tmp_path / "clean_mnist_mlp_models"
    run("attack", "white", "--from", clean, *common)
    first, second = (model["recipe"] for model in models(tmp_path / "mnist_white_mlp_models"))
    assert first["architecture"] == "mlp"
    assert first["steps"] == PRESETS["white"].tuning.steps
    assert first["poisoning"]["rate"] == 0.15
    assert first["origin"]["file"] == "mnist_model_000.pt"
    assert second["origin"]["file"] == "mnist_model_001.pt"
    run("dynamic", "--from", clean / "mnist_model_001.pt", "--steps", 3, *common)
    first, second = models(tmp_path / "saved_models_dynamic_backdoor_10x10_mlp")
    assert first["recipe"]["steps"] == 3
    assert first["recipe"]["origin"] == second["recipe"]["origin"]


def test_the_help_lists_every_attack():
    text = run("attack", "--help").stdout
    assert all(f"  {name} " in text for name in PRESETS)


@pytest.mark.parametrize("command", ["clean", "backdoor", "dynamic", "attack"])
def test_every_flag_has_help(command):
    text = run(command, "--help").stdout
    for flag in ("count", "epochs", "softmax-head", "out", "data", "data-root", "device", "jobs"):
        assert f"--{flag}" in text
