import dataclasses
import io
import json

import pytest
import torch
from PIL import Image
from verdicts import altered

from triggerfish.reports.artefacts import render_artefacts
from triggerfish.reports.class_table import render_pair_table
from triggerfish.reports.heat_map import render_heat_map
from triggerfish.reports.json_report import as_dict
from triggerfish.results import Pairs, Scanned

NAN = float("nan")
RED = (0xC8, 0x1E, 0x1E)
TABLE = """\
source,target,score,norm,flagged
1,2,2.5,0.5,yes
0,1,0.25,4,no
2,0,0,5,no
1,0,-0.5,7,no
0,2,,,no
2,1,,6,no
"""


@pytest.fixture
def paired(backdoored: Scanned) -> Scanned:
    """Class 2 is flagged, because of 1 -> 2; two pairs have no score."""
    pairs = Pairs(
        score=torch.tensor([[NAN, 0.25, NAN], [-0.5, NAN, 2.5], [0.0, NAN, NAN]]).double(),
        norm=torch.tensor([[NAN, 4.0, NAN], [7.0, NAN, 0.5], [5.0, 6.0, NAN]]).double(),
    )
    scores = dataclasses.replace(backdoored.scores, pairs=pairs)
    return dataclasses.replace(backdoored, scores=scores, detector="pairwise-norm")


def colours(data: bytes) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return {colour for _, colour in image.getcolors(maxcolors=1 << 24) or []}  # type: ignore[misc]


def test_table_has_the_most_suspicious_pair_first_and_no_number_where_there_was_none(
    paired: Scanned,
) -> None:
    assert paired.scores.pairs is not None
    assert render_pair_table(paired, paired.scores.pairs) == TABLE


def test_json_has_every_pair(paired: Scanned) -> None:
    pairs = as_dict(paired)["scores"]["pairs"]
    assert pairs == {
        "score": [[None, 0.25, None], [-0.5, None, 2.5], [0.0, None, None]],
        "norm": [[None, 4.0, None], [7.0, None, 0.5], [5.0, 6.0, None]],
    }
    json.dumps(pairs, allow_nan=False)


def test_heat_map_frames_the_flagged_pair_and_only_then(paired: Scanned) -> None:
    pairs = paired.scores.pairs
    assert pairs is not None
    assert RED in colours(render_heat_map(paired, pairs))
    unflagged = dataclasses.replace(paired, verdict=altered(paired.verdict, flagged=()))
    assert RED not in colours(render_heat_map(unflagged, pairs))


@pytest.mark.parametrize("count", [2, 60])
def test_heat_map_of_few_and_of_many_classes(paired: Scanned, count: int) -> None:
    score = torch.full((count, count), NAN, dtype=torch.float64)
    verdict = altered(paired.verdict, flagged=(), threshold=NAN)
    result = dataclasses.replace(paired, verdict=verdict)
    image = render_heat_map(result, Pairs(score, score))
    assert image[:4] == b"\x89PNG"
    assert image == render_heat_map(result, Pairs(score, score))


def test_pairs_are_written_before_the_result_and_only_where_there_are_any(
    paired: Scanned, backdoored: Scanned
) -> None:
    names = [name for name, _ in render_artefacts(paired)]
    assert names[-4:] == ["class_pairs.csv", "class_pairs.png", "report.html", "result.json"]
    assert not {"class_pairs.csv", "class_pairs.png"} & dict(render_artefacts(backdoored)).keys()
