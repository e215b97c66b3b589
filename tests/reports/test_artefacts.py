import dataclasses
import json

import torch
from made_up import dangerous, found

from triggerfish.api import scan
from triggerfish.codec.tensors import read_tensors
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
        "report.html",
        "result.json",
    ]
    assert json.loads(files["result.json"])["verdict"] == "backdoored"


def test_other_detectors_do_not_borrow_the_published_names(backdoored: Scanned) -> None:
    names = [name for name, _ in render_artefacts(dataclasses.replace(backdoored, detector="a-b"))]
    assert names[0] == "a_b_summary.csv"
    assert names[-3] == "a_b_outlier_plot.png"


def test_every_image_that_the_table_names_is_there(backdoored: Scanned) -> None:
    files = dict(render_artefacts(backdoored))
    lines = files["l1_search_summary.csv"].decode().splitlines()[1:]
    assert {line.split(",")[3] for line in lines} <= files.keys()


def test_a_change_that_was_found_is_kept_exactly_and_on_a_page() -> None:
    files = dict(render_artefacts(found()))
    change = json.loads(files["result.json"])["scores"]["parts"][0]["perturbations"][0]
    delta = read_tensors(files["evidence.safetensors"])[change["delta"]["tensor"]]
    assert torch.equal(delta, found().scores.parts[0].perturbations[0].delta)
    assert b"stranger model.pt" in files["report.html"]


def test_a_file_that_was_not_scanned_leaves_a_trace() -> None:
    files = dict(render_artefacts(dangerous()))
    assert list(files) == ["report.html", "result.json"]
    assert json.loads(files["result.json"])["imports"] == ["os.system"]


def test_of_two_classes_nothing_is_searched_and_the_page_says_so() -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2))
    result = scan(network, input_shape=(3, 4, 4))
    assert result.scores.classes == ()
    files = dict(render_artefacts(result))
    assert list(files) == [
        "ensemble_summary.csv",
        "ensemble_outlier_plot.png",
        "report.html",
        "result.json",
    ]
    assert b"few-classes" in files["report.html"]
    assert json.loads(files["result.json"])["verdict"] == "inconclusive"
