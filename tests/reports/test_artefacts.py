import dataclasses
import json

from triggerfish.reports.artefacts import render_artefacts
from triggerfish.results import Scanned


def test_published_names_in_order_and_the_result_last(backdoored: Scanned) -> None:
    files = dict(render_artefacts(backdoored))
    assert list(files) == [
        "l1_search_summary.csv",
        "class_0.png",
        "class_1.png",
        "class_2.png",
        "classes.png",
        "l1_outlier_plot_mad.png",
        "result.json",
    ]
    assert json.loads(files["result.json"])["verdict"] == "backdoored"


def test_other_detectors_do_not_borrow_the_published_names(backdoored: Scanned) -> None:
    names = [name for name, _ in render_artefacts(dataclasses.replace(backdoored, detector="a-b"))]
    assert names[0] == "a_b_summary.csv"
    assert names[-2] == "a_b_outlier_plot.png"


def test_every_image_that_the_table_names_is_there(backdoored: Scanned) -> None:
    files = dict(render_artefacts(backdoored))
    lines = files["l1_search_summary.csv"].decode().splitlines()[1:]
    assert {line.split(",")[3] for line in lines} <= files.keys()
