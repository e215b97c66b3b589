from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up import clean, found, inconclusive
from PIL import Image
from torch import Tensor, nn
from verdicts import altered

from triggerfish.errors import DatasetError
from triggerfish.model.classifier import Classifier
from triggerfish.reports.about import PLAIN
from triggerfish.reports.details import details
from triggerfish.results import ClassScores, Perturbation, Status
from triggerfish.trial import read_pictures, trial, with_answers, with_trials


class Corner(nn.Module):
    """Calls a picture 2 where its first pixel is above 0.9, else 0 or 1 by its mean."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.flatten(1).mean(1)
        corner = (x[:, 0, 0, 0] > 0.9).float() * 10
        return torch.stack([0.5 - mean, mean - 0.5, corner], dim=1)


CLASSIFIER = Classifier(Corner(), (1, 4, 4))
DELTA = torch.zeros(1, 4, 4).index_put((torch.tensor(0),) * 3, torch.tensor(0.5))
PERTURBATION = Perturbation(2, "pixel", DELTA, 0.5, 5.0, 0.9, Status.CONVERGED)
LEVELS = torch.tensor([0.1, 0.2, 0.6, 0.95]).view(4, 1, 1, 1).expand(4, 1, 4, 4)


def test_counts_only_pictures_that_were_not_the_target_already() -> None:
    tried = trial(CLASSIFIER, PERTURBATION, LEVELS, (0, 0, 1, 2))
    assert (tried.count, tried.success_rate) == (3, 1 / 3)  # 0.6 + 0.5 passes 0.9, clamped to 1
    assert (tried.before, tried.after) == ((0, 0, 1), (0, 0, 2))
    torch.testing.assert_close(tried.pictures, LEVELS[:3])


def test_away_from_what_they_are_called_counts_any_other_class() -> None:
    away = replace(PERTURBATION, target=None, delta=-torch.ones(1, 4, 4))
    tried = trial(CLASSIFIER, away, LEVELS, (0, 0, 1, 2))
    assert (tried.count, tried.success_rate) == (4, 0.5)


def test_where_all_pictures_are_the_target_nothing_is_measured() -> None:
    tried = trial(CLASSIFIER, PERTURBATION, LEVELS[3:], (2,))
    assert tried.count == 0
    assert tried.success_rate != tried.success_rate


def test_answers_are_filled_in_for_every_change_of_every_part() -> None:
    empty = torch.empty(0)
    scores = ClassScores(
        "x", empty, (), empty, empty, empty, perturbations=(PERTURBATION,), pictures=LEVELS
    )
    outer = replace(scores, perturbations=(), pictures=None, parts=(scores,))
    filled = with_answers(outer, CLASSIFIER).parts[0]
    assert filled.predicted_classes == (0, 0, 1, 2)
    assert filled.perturbations[0].predicted_classes == (0, 0, 2, 2)


def pictures(folder: Path, *levels: int) -> Path:
    folder.mkdir()
    for number, level in enumerate(levels):
        Image.new("RGB", (9, 7), (level,) * 3).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def test_pictures_of_any_size_and_color_fit_the_network(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "own", 0, 255)
    grey = read_pictures(folder, (1, 4, 5))
    assert grey.shape == (2, 1, 4, 5)
    assert [float(p.mean()) for p in grey] == [0.0, 1.0]
    Image.new("RGB", (4, 4), (255, 0, 0)).save(folder / "2.png")
    red = read_pictures(folder, (3, 8, 8))[2]
    assert red.mean((1, 2)).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channel_counts_are_refused(channels: int, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"takes {channels} channels"):
        read_pictures(pictures(tmp_path / "own", 0), (channels, 4, 4))


def test_no_pictures_and_broken_ones_are_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no images"):
        read_pictures(pictures(tmp_path / "own"), (1, 4, 4))
    (tmp_path / "own" / "a.jpg").write_text("broken")
    with pytest.raises(DatasetError, match=r"a\.jpg: no image that can be read"):
        read_pictures(tmp_path / "own", (1, 4, 4))
    with pytest.raises(DatasetError, match="cannot be read"):
        read_pictures(tmp_path / "none", (1, 4, 4))


def test_only_changes_to_flagged_classes_are_tried(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "own", 150, 20)
    scores = replace(clean().scores, perturbations=(PERTURBATION, replace(PERTURBATION, target=0)))
    verdict = altered(found().verdict, flagged=(2,))
    result = replace(found(), scores=scores, verdict=verdict, trials=())
    (tried,) = with_trials(result, CLASSIFIER, folder).trials
    assert (tried.target, tried.count, tried.success_rate) == (2, 2, 0.5)
    calm = replace(result, verdict=clean().verdict)
    assert with_trials(calm, CLASSIFIER, tmp_path / "none").trials == ()


def test_without_an_answer_all_that_was_found_is_tried(tmp_path: Path) -> None:
    """Own images decide where a scan does not: a class in question is not flagged."""
    folder = pictures(tmp_path / "own", 150, 20)
    scores = replace(clean().scores, perturbations=(PERTURBATION,), parts=())
    unsure = replace(inconclusive(), scores=scores, trials=(), stamps=())
    (tried,) = with_trials(unsure, CLASSIFIER, folder).trials
    assert (tried.target, tried.count, tried.success_rate) == (2, 2, 0.5)
    nothing = with_trials(
        replace(unsure, scores=replace(scores, perturbations=())), CLASSIFIER, folder
    )
    assert "on your own images: nothing was tried, as no pattern was found" in details(
        nothing, PLAIN
    )


def only(folder: Path, picture: Image.Image, name: str = "a.png") -> Tensor:
    folder.mkdir()
    picture.save(folder / name)
    return read_pictures(folder, (1, 1, 2))


def test_what_shines_through_is_white(tmp_path: Path) -> None:
    half = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    half.putpixel((1, 0), (0, 0, 0, 0))
    assert only(tmp_path / "own", half).flatten().tolist() == [0.0, 1.0]


def test_sixteen_bits_are_not_clipped_to_eight(tmp_path: Path) -> None:
    deep = Image.fromarray(np.array([[0x1010, 0xFFFF]], np.uint16))
    found = only(tmp_path / "own", deep).flatten().tolist()
    assert found == pytest.approx([16 / 255, 1.0])


def test_a_picture_that_a_phone_has_turned_is_upright(tmp_path: Path) -> None:
    lying = Image.fromarray(np.array([[0], [255]], np.uint8))
    lying.getexif()[0x0112] = 6  # the orientation: a quarter turn
    lying.save(tmp_path / "x.png", exif=lying.getexif())
    assert only(tmp_path / "own", Image.open(tmp_path / "x.png")).shape == (1, 1, 1, 2)
    folder = tmp_path / "turned"
    folder.mkdir()
    lying.save(folder / "a.png", exif=lying.getexif())
    assert read_pictures(folder, (1, 1, 2)).flatten().tolist() == [1.0, 0.0]


def test_pictures_in_folders_by_class_are_found_and_hidden_files_are_not(tmp_path: Path) -> None:
    pictures(tmp_path / "own", 0)
    pictures(tmp_path / "own" / "cat", 255)
    (tmp_path / "own" / "._0.png").write_text("what a Mac leaves")
    assert len(read_pictures(tmp_path / "own", (1, 4, 4))) == 2


def test_of_many_pictures_some_from_every_part_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triggerfish.trial.MOST_PICTURES", 3)
    levels = read_pictures(pictures(tmp_path / "own", *range(0, 250, 50)), (1, 1, 1)).flatten()
    assert (levels * 255).round().tolist() == [0, 50, 150]
