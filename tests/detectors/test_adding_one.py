"""The example of docs/extending.md is a detector like any other."""

import re
from pathlib import Path

import click
from scored import model

from triggerfish.api import scan
from triggerfish.cli.detector_options import make_detector, settings_options
from triggerfish.detectors import DETECTORS

DOCUMENT = Path(__file__).parents[2] / "docs" / "extending.md"


def test_the_example_scans_and_brings_its_option(monkeypatch):
    code, *_ = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict = {"__name__": "example"}
    exec(compile(code, str(DOCUMENT), "exec"), names)
    detector = names["GrayLogit"]
    monkeypatch.setitem(DETECTORS, detector.name, detector)

    @click.command()
    @settings_options
    def command(**_):
        pass

    assert "level" in {option.name for option in command.params}
    result = scan(model(), make_detector("gray-logit", {"level": 0.2}))
    assert result.config["settings"] == {"level": 0.2}
    assert len(result.verdict.anomaly_index) == 8
