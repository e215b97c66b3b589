import dataclasses
import io

from PIL import Image
from verdicts import altered

from triggerfish.reports.outlier_plot import render_outlier_plot
from triggerfish.results import Scanned


def pixels(data: bytes) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    colours = image.getcolors(maxcolors=1 << 24) or []
    return {colour for _, colour in colours}  # type: ignore[misc]


def test_a_flagged_class_is_red_and_only_then(backdoored: Scanned) -> None:
    red = (0xC8, 0x1E, 0x1E)
    assert red in pixels(render_outlier_plot(backdoored))
    unflagged = altered(backdoored.verdict, flagged=())
    assert red not in pixels(
        render_outlier_plot(dataclasses.replace(backdoored, verdict=unflagged))
    )


def test_the_same_result_gives_the_same_bytes(backdoored: Scanned) -> None:
    assert render_outlier_plot(backdoored) == render_outlier_plot(backdoored)


def test_nothing_measured_still_gives_a_plot(backdoored: Scanned) -> None:
    nan = float("nan")
    verdict = altered(backdoored.verdict, index=(nan,) * 3, threshold=nan)
    assert render_outlier_plot(dataclasses.replace(backdoored, verdict=verdict))[:4] == b"\x89PNG"
