from pathlib import Path

import pytest
import torch

from triggerfish.architectures import PaperCNN
from triggerfish.errors import CheckpointError
from triggerfish.loading import Hints, load_classifier, open_model
from triggerfish.loading.card import parse_card, read_card, write_card
from triggerfish.model.classifier import Preprocessing


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.save(PaperCNN().state_dict(), tmp_path / "m.pt")
    return tmp_path / "m.pt"


def test_a_written_card_reads_back(tmp_path: Path) -> None:
    hints = Hints(
        "x",
        architecture="paper_cnn",
        arch_args={"softmax_head": True},
        input_shape=(3, 32, 32),
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 2.0, 3.0),
        input_range=(0.0, 255.0),
        channels_last=True,
        num_classes=10,
        output="softmax",
    )
    path = tmp_path / "m.card.toml"
    path.write_text(write_card(hints))
    read = parse_card(path)
    assert {**vars(read), "source": "x"} == vars(hints)


def test_a_card_wins_over_defaults_and_options_over_the_card(model: Path) -> None:
    model.with_name("m.card.toml").write_text("mean = 0.5\nstd = [0.25]\n")
    assert load_classifier(model).preprocessing == Preprocessing((0.5,), (0.25,))
    given = Preprocessing((0.1,), (0.2,))
    assert load_classifier(model, preprocessing=given).preprocessing == given
    assert open_model(model).settings.origin("mean") == "model card m.card.toml"


def test_one_card_serves_a_folder_and_a_json_card_works(model: Path) -> None:
    model.with_name("folder.card.toml").write_text("mean = 0.5\n")
    assert read_card(model).mean == (0.5,)
    model.with_name("m.card.json").write_text('{"mean": [0.75], "input_shape": [1, 28, 28]}')
    assert read_card(model).mean == (0.75,)


def test_a_card_under_the_name_of_the_project_file_is_refused(model: Path) -> None:
    model.with_name("triggerfish.toml").write_text("jobs = 2\n")
    assert read_card(model) == Hints("model card")
    model.with_name("triggerfish.toml").write_text("mean = 0.5\n")
    with pytest.raises(CheckpointError, match=r"\(mean\) belongs .*move it to .*folder\.card"):
        read_card(model)


def test_guesses_are_comments(tmp_path: Path) -> None:
    guesses = (Hints("a", mean=(0.5,)), Hints("b", mean=(0.25,)))
    text = write_card(Hints("x", num_classes=7), guesses)
    assert "# mean = [0.5]  # a guess: uncomment if true\n# mean = [0.25]  # a guess" in text
    path = tmp_path / "m.card.toml"
    path.write_text(text)
    assert parse_card(path) == Hints("model card m.card.toml", num_classes=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evil = 1", "has no key 'evil'"),
        ("mean = true", "a number"),
        ("mean = []", "a number"),
        ("input_shape = [28, 28]", r"\[C, H, W\]"),
        ("num_classes = 0", "positive"),
        ("input_range = [1, 0]", r"\[low, high\]"),
        ('output = "magic"', "one of logits"),
        ("channels_last = 1", "true or false"),
        ("mean =", "TOML or JSON"),
        ('architecture = "my.package:Net"', "--arch"),
        ('architecture = "net.py:Net"', "--arch"),
        ('architecture = "timm:net"\narch_args = { checkpoint_path = "x" }', "built-in"),
    ],
)
def test_a_bad_card_is_one_clear_line(model: Path, text: str, message: str) -> None:
    model.with_name("m.card.toml").write_text(text)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_classifier(model)
    assert "\n" not in str(caught.value)
