import doctest
import importlib
import importlib.util
import inspect
from pathlib import Path

import pytest
import torch

import triggerfish
from triggerfish.detectors import DETECTORS

ROOT = Path(__file__).parents[1]
CALLED = ("scan", "scan_files", "confirm", "repair", "load_classifier", "read_reference",
          "Classifier", "Preprocessing", "Judge", "ScanConfig",
          *(detector.__name__ for detector in DETECTORS.values()))  # fmt: skip


@pytest.mark.parametrize("name", triggerfish.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(triggerfish, name) is not None


def test_the_function_wins_over_the_module_of_its_name() -> None:
    importlib.import_module("triggerfish.scanning")
    from triggerfish import scan

    assert callable(scan)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'scam'"):
        _ = triggerfish.scam


def test_public_names_are_listed_for_completion() -> None:
    assert set(dir(triggerfish)) == set(triggerfish.__all__)
    assert set(triggerfish._MODULE_OF) == set(triggerfish.__all__) - {"__version__"}


@pytest.mark.parametrize("name", CALLED)
def test_what_is_called_shows_an_example_that_runs(name: str) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    names = {"classifier": triggerfish.Classifier(network, (1, 8, 8))}
    value = getattr(triggerfish, name)
    assert "Example:" in value.__doc__
    test = doctest.DocTestParser().get_doctest(value.__doc__, names, name, None, 0)
    assert test.examples
    failures, _ = doctest.DocTestRunner().run(test)
    assert failures == 0


@pytest.mark.parametrize("name", [n for n in CALLED if inspect.isfunction(getattr(triggerfish, n))])
def test_functions_say_what_they_take_return_and_raise(name: str) -> None:
    function = getattr(triggerfish, name)
    for section in ("Args:", "Returns:", "Raises:"):
        assert section in function.__doc__
    arguments = function.__doc__.partition("Args:")[2].partition("Returns:")[0]
    for parameter in inspect.signature(function).parameters:
        assert f"\n        {parameter}: " in arguments, parameter
    assert "return" in function.__annotations__


def test_every_detector_is_public() -> None:
    assert {d.__name__ for d in DETECTORS.values()} <= set(triggerfish.__all__)


def test_the_python_page_is_current_and_shows_every_name() -> None:
    spec = importlib.util.spec_from_file_location("page", ROOT / "docs/make_python_reference.py")
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert (ROOT / "docs/python.md").read_text() == page.reference(), "run: make docs"
    shown = {name for names in page.GROUPS.values() for name in names}
    assert shown == set(triggerfish.__all__) - {"__version__"}
