"""Names of the classes from the model itself, until they stand in a result."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from triggerfish import MinNorm, ScanConfig, load_classifier
from triggerfish.architectures import PaperCNN
from triggerfish.loading.formats.huggingface import _hints
from triggerfish.loading.hints import Hints, class_names
from triggerfish.loading.inspection import inspect_model
from triggerfish.results import Scanned
from triggerfish.runs.paths import scan_path

TWO = ("cat", "dog")
TEN = tuple(f"digit {k}" for k in range(10))
STATE = PaperCNN().state_dict()
QUICK = ScanConfig(MinNorm(steps=2, restarts=1), confirm=False)


@pytest.mark.parametrize(
    "data",
    [
        {"class_names": ["cat", "dog"]},
        {"classes": TWO},
        {"id2label": {"0": "cat", "1": "dog"}},
        {"id2label": {1: "dog", 0: "cat"}},
        {"class_to_idx": {"dog": 1, "cat": 0}},
        {"classes": 2, "idx_to_class": {0: "cat", 1: "dog"}},
    ],
)
def test_the_usual_keys(data: dict[object, object]) -> None:
    assert class_names(data) == TWO


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}},  # nobody named them
        {"id2label": {"0": "cat", "2": "dog"}},
        {"id2label": "cat,dog"},
        {"classes": "cat"},
        {"classes": ["cat", 7]},
        {"classes": ["cat", "x" * 10_000]},
        {"classes": torch.zeros(2)},
        {"class_to_idx": {"cat": [0], "dog": 1}},
    ],
)
def test_what_is_no_list_of_names_is_left_alone(data: dict[object, object]) -> None:
    assert class_names(data) is None


def test_a_config_of_hugging_face_names_the_classes() -> None:
    assert _hints({"id2label": {"0": "cat", "1": "dog"}}, {}).class_names == TWO


def wrapped(path: Path) -> Path:
    torch.save({"state_dict": STATE, "class_to_idx": {n: k for k, n in enumerate(TEN)}}, path)
    return path


def with_metadata(path: Path) -> Path:
    save_file(STATE, path, {"id2label": json.dumps(dict(enumerate(TEN)))})
    return path


def with_card(path: Path) -> Path:
    torch.save(STATE, path)
    path.with_suffix(".card.toml").write_text(f"class_names = {json.dumps(TEN)}\n")
    return path


@pytest.mark.parametrize("make", [wrapped, with_metadata, with_card])
def test_they_come_with_the_model(make: object, tmp_path: Path) -> None:
    path = make(tmp_path / "m.pt")  # type: ignore[operator]
    assert load_classifier(path).class_names == TEN
    assert inspect_model(path).facts["class names"].startswith("digit 0, digit 1, ")


def test_another_number_of_names_is_not_used(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "classes": list(TWO)}, tmp_path / "m.pt")
    assert load_classifier(tmp_path / "m.pt").class_names == ()


def test_a_result_has_the_names_and_what_the_model_was_taken_for(tmp_path: Path) -> None:
    path = with_card(tmp_path / "m.pt")
    card = path.with_suffix(".card.toml")
    card.write_text(card.read_text() + "mean = [0.5]\n")
    result = scan_path(path, QUICK)
    assert isinstance(result, Scanned)
    assert result.class_names == TEN
    facts = {fact.name: (fact.value, fact.source) for fact in result.facts}
    assert facts["mean"] == ("0.5", "model card m.card.toml")
    assert not {item.name for item in result.assumptions} & set(facts)


def test_a_card_with_names_is_written_and_read(tmp_path: Path) -> None:
    from triggerfish.loading.card import parse_card, write_card

    path = tmp_path / "m.card.toml"
    path.write_text(write_card(Hints("x", class_names=('"quoted"', "ü"))))
    assert replace(parse_card(path), source="x") == Hints("x", class_names=('"quoted"', "ü"))
