import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up import EVERYTHING, clean, dangerous, found

from triggerfish.codec.tensors import read_tensors
from triggerfish.errors import OutputError, ResultError
from triggerfish.reports import FORMATS
from triggerfish.reports.columns import columns
from triggerfish.reports.html import render_page
from triggerfish.reports.json_report import as_dict, render_result, result_of
from triggerfish.results import Scanned
from triggerfish.stored import read_result, read_results, write_artefacts


def numbers(value: Any) -> Any:
    """Plain data without what it says of tensors: those do not come with every document."""
    if isinstance(value, list):
        return [numbers(item) for item in value]
    if not isinstance(value, dict):
        return value
    return None if "shape" in value else {k: numbers(v) for k, v in value.items()}


@pytest.fixture(autouse=True)
def _without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing reads the plots back, and they take long to draw."""
    for name in ("render_outlier_plot", "render_heat_map", "render_contact_sheet"):
        monkeypatch.setattr(f"triggerfish.reports.artefacts.{name}", lambda *_: b"")


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_comes_back_is_what_went_in(name: str, tmp_path: Path) -> None:
    result = EVERYTHING[name]()
    if isinstance(result, Scanned):
        write_artefacts(result, tmp_path)
    else:
        (tmp_path / "result.json").write_text(render_result(result))
    (again,) = read_results(tmp_path)
    assert as_dict(again) == as_dict(result)


def test_images_changes_and_pictures_come_back(tmp_path: Path) -> None:
    result = found()
    write_artefacts(result, tmp_path)
    (again,) = read_results(tmp_path)
    assert isinstance(again, Scanned)
    torch.testing.assert_close(again.scores.images, result.scores.images)
    old, new = result.scores.parts[0], again.scores.parts[0]
    assert torch.equal(new.perturbations[0].delta, old.perturbations[0].delta)
    assert torch.equal(new.perturbations[1].delta, old.perturbations[1].delta)
    assert old.pictures is not None
    assert new.pictures is not None
    torch.testing.assert_close(new.pictures, old.pictures)
    torch.testing.assert_close(again.trials[0].pictures, result.trials[0].pictures)


def test_an_earlier_result_of_version_3_is_read_with_its_sizes_as_plain_columns() -> None:
    """Before there were typed sizes, ``details`` had them by name."""
    data: dict[str, Any] = json.loads(render_result(found()))
    for scores in (data["scores"], *data["scores"]["parts"]):
        sizes, norms = scores.pop("sizes"), scores.pop("norms")
        del scores["shown_baseline"], scores["margin"]
        scores["details"] |= {f"size_{one['basis']}": one["size"] for one in sizes}
        scores["details"] |= {f"min_norm_{one['baseline']}": one["norm"] for one in norms}
    result = result_of(data)
    assert isinstance(result, Scanned)
    assert result.verdict.headline == found().verdict.headline
    for old, new in zip(result.scores.parts, found().scores.parts, strict=True):
        torch.testing.assert_close(columns(old), columns(new), equal_nan=True)
    assert "smallest pattern" in "".join(FORMATS["table"]([result]))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_channel_count_come_back(channels: int, tmp_path: Path) -> None:
    images = (torch.rand(10, channels, 5, 6) * 255).round() / 255
    result = clean()
    scores = {**vars(result.scores), "images": images}
    result = Scanned(**{**vars(result), "scores": type(result.scores)(**scores)})
    write_artefacts(result, tmp_path)
    (again,) = read_results(tmp_path)
    assert isinstance(again, Scanned)
    torch.testing.assert_close(again.scores.images, images)


@pytest.mark.parametrize("output_format", ["json", "jsonl"])
def test_a_whole_scan_in_one_file(output_format: str, tmp_path: Path) -> None:
    results = [make() for make in EVERYTHING.values()]
    (tmp_path / "scan").write_text("".join(FORMATS[output_format](results)))
    again = list(read_results(tmp_path / "scan"))
    assert [numbers(as_dict(r)) for r in again] == [numbers(as_dict(r)) for r in results]


@pytest.mark.parametrize("output_format", FORMATS)
def test_every_format_of_stored_results_is_that_of_the_scan(
    output_format: str, tmp_path: Path
) -> None:
    for name, result in (("a", found()), ("b", clean())):
        write_artefacts(result, tmp_path / name)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "result.json").write_text(render_result(dangerous()))
    live = "".join(FORMATS[output_format]([found(), clean(), dangerous()]))
    assert "".join(FORMATS[output_format](read_results(tmp_path))) == live


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected JSON or JSON lines"),
        ("{", "expected JSON or JSON lines"),
        ("[]", "expected results of a scan in .*, got something else"),
        ('{"schema_version": 2}', "results of version 2, and this .* 3: scan the models again"),
        ('{"schema_version": 3}', "expected a result of a scan in .*, got something else"),
        ('{"schema_version": 3, "status": "scanned"}', "expected a result of a scan in"),
        ('{"schema_version": 3, "results": [3]}', "expected a result of a scan in"),
    ],
)
def test_what_is_no_result_ends_in_one_line(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ResultError, match=message):
        list(read_results(tmp_path))


def test_a_path_without_results(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"got a folder without a result\.json"):
        list(read_results(tmp_path))
    with pytest.raises(ResultError, match="No such file"):
        list(read_results(tmp_path / "missing"))


def test_damaged_evidence_is_an_error_not_a_missing_picture(tmp_path: Path) -> None:
    write_artefacts(found(), tmp_path)
    (tmp_path / "evidence.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(ResultError, match="expected a result of a scan"):
        list(read_results(tmp_path))


def test_without_the_images_the_numbers_are_still_there(tmp_path: Path) -> None:
    write_artefacts(found(), tmp_path)
    for image in tmp_path.glob("*.png"):
        image.unlink()
    (again,) = read_results(tmp_path)
    assert numbers(as_dict(again)) == numbers(as_dict(found()))


def test_a_change_that_parts_share_with_the_whole_is_kept_once(tmp_path: Path) -> None:
    """As an ensemble has it: the whole is one of its parts, with a statistic of its own."""
    result = found()
    whole = replace(result.scores.parts[0], images=result.scores.images, shown=None)
    whole = replace(whole, logits=torch.zeros(10, 10), parts=(result.scores.parts[0],))
    result = replace(result, scores=whole)
    write_artefacts(result, tmp_path)
    assert len(read_tensors((tmp_path / "evidence.safetensors").read_bytes())) == 4
    (again,) = read_results(tmp_path)
    assert as_dict(again) == as_dict(result)
    assert isinstance(again, Scanned)
    for scores in (again.scores, again.scores.parts[0]):
        assert torch.equal(scores.perturbations[0].delta, whole.perturbations[0].delta)
    assert render_page(result).count("Smallest pattern for class 7") == 1


def test_a_foreign_result_file_is_an_error_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("not json")
    with pytest.raises(OutputError, match="expected a result of a scan"):
        read_result(tmp_path)
