import dataclasses
import io

import pytest
import torch
from PIL import Image
from verdicts import altered

from triggerfish.reports.images import FLAGGED, render_contact_sheet, render_image
from triggerfish.results import Scanned, Status


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_grey_image_keeps_its_values() -> None:
    image = opened(render_image(torch.tensor([[[0.0, 0.5, 1.0], [2.0, -1.0, 0.25]]])))
    assert (image.mode, image.size) == ("L", (3, 2))
    assert list(image.tobytes()) == [0, 128, 255, 255, 0, 64]


def test_colour_image_keeps_its_channels_in_order() -> None:
    image = opened(render_image(torch.tensor([1.0, 0.0, 0.5]).view(3, 1, 1)))
    assert image.getpixel((0, 0)) == (255, 0, 128)


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channel_counts_are_shown_side_by_side(channels: int) -> None:
    assert opened(render_image(torch.zeros(channels, 3, 5))).size == (5 * channels, 3)


def test_contact_sheet_frames_the_flagged_class(backdoored: Scanned) -> None:
    sheet = opened(render_contact_sheet(backdoored))
    width = sheet.width // 3
    frames = [sheet.getpixel((k * width + 2, 2)) for k in range(3)]
    assert frames[2] == FLAGGED
    assert FLAGGED not in frames[:2]


def test_contact_sheet_of_many_classes_shows_the_most_suspicious(backdoored: Scanned) -> None:
    count = 250
    scores = dataclasses.replace(
        backdoored.scores,
        images=torch.zeros(count, 1, 2, 2),
        status=(Status.CONVERGED,) * count,
    )
    index = tuple(float(k) for k in range(count))
    verdict = altered(backdoored.verdict, index=index, flagged=(count - 1,))
    result = dataclasses.replace(backdoored, scores=scores, verdict=verdict)
    sheet = opened(render_contact_sheet(result))
    assert sheet.width == 10 * (sheet.width // 10)
    assert sheet.getpixel((2, 2)) == FLAGGED
