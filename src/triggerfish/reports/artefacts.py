"""The files that a scan leaves for one model, as bytes by name."""

from __future__ import annotations

from collections.abc import Iterator

from triggerfish.codec.tensors import Shelf, render_tensors
from triggerfish.reports.class_table import image_name, render_class_table, render_pair_table
from triggerfish.reports.heat_map import render_heat_map
from triggerfish.reports.html import REPORT, render_page
from triggerfish.reports.html.pictures import stamp_picture
from triggerfish.reports.images import render_contact_sheet, render_image
from triggerfish.reports.json_report import as_dict, render_result
from triggerfish.reports.outlier_plot import render_outlier_plot
from triggerfish.results import Scanned, Skipped

RESULT = "result.json"
EVIDENCE = "evidence.safetensors"
"""The tensors that `RESULT` names: perturbations that were found, the images they are shown on."""
PAIRS, HEAT_MAP = "class_pairs.csv", "class_pairs.png"
# The published detector keeps the published file names, because people's scripts know them.
NAMES = {"l1-weight": ("l1_search_summary.csv", "l1_outlier_plot_mad.png")}


def artefact_names(detector: str) -> tuple[str, str]:
    """File names of the per-class table and of the outlier plot."""
    prefix = detector.replace("-", "_")
    return NAMES.get(detector, (f"{prefix}_summary.csv", f"{prefix}_outlier_plot.png"))


def render_artefacts(result: Scanned | Skipped) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of every file; `RESULT` comes last, so that it marks completeness.

    A file that was not scanned leaves a trace as well: its page and its result.
    """
    if isinstance(result, Scanned):
        yield from _pictures_and_tables(result)
    yield REPORT, render_page(result).encode()
    yield RESULT, render_result(result).encode()


def _pictures_and_tables(result: Scanned) -> Iterator[tuple[str, bytes]]:
    table, plot = artefact_names(result.detector)
    yield table, render_class_table(result).encode()
    for label, image in zip(result.scores.classes, result.scores.images, strict=True):
        yield image_name(label), render_image(image)
    for stamp in result.stamps:
        yield f"trigger_class_{stamp.target}.png", render_image(stamp_picture(stamp))
    if result.scores.classes:  # of two classes none is searched
        yield "classes.png", render_contact_sheet(result)
    yield plot, render_outlier_plot(result)
    if result.scores.pairs is not None:
        yield PAIRS, render_pair_table(result, result.scores.pairs).encode()
        yield HEAT_MAP, render_heat_map(result, result.scores.pairs)
    shelf = Shelf()
    as_dict(result, shelf)
    evidence = render_tensors(shelf.tensors)
    if evidence is not None:
        yield EVIDENCE, evidence
