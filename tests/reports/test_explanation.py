"""The names in `triggerfish explain`: words that a person would say."""

import pytest
import torch

from triggerfish.detectors import Ensemble
from triggerfish.model.classifier import Classifier
from triggerfish.reports.columns import columns
from triggerfish.reports.explanation import PIECES, WORDS, in_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ensemble_score", "all detectors together"),
        ("size", "size of the pattern"),
        ("size_pixel", "size of the pattern, pixels"),
        ("ratio_frequency", "log of median size over its own, frequencies"),
        ("min_norm_0.5", "smallest change of an image, px, from grey"),
        ("margin_of_two", "largest lead over other classes, of two"),  # no piece of that name
        ("sizes", "sizes"),  # a stem ends at an underscore
        ("some_new_score", "some new score"),
    ],
)
def test_a_name_in_words(name: str, words: str) -> None:
    assert in_words(name) == words


def test_every_stem_and_piece_is_said_in_words() -> None:
    for stem, words in WORDS.items():
        assert in_words(stem) == words
        assert "_" not in words
        for piece, said in PIECES.items():
            assert in_words(f"{stem}_{piece}") == f"{words}, {said}"


def test_whatever_the_default_scan_measures_has_words_of_its_own() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 5))
    scores = Ensemble()(Classifier(network, (1, 4, 4)))
    names = [n for part in (scores, *scores.parts) for n in (part.name, *columns(part))]
    assert len(set(names)) > 5
    for name in names:
        assert any(name == s or name.startswith(f"{s}_") for s in WORDS), name
