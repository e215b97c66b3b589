"""What a result says of itself, where somebody prints it or looks at it in a notebook."""

import re
from dataclasses import replace

import numpy as np
import pytest
from made_up import TARGET, clean, found, inconclusive, patch


def test_a_result_prints_in_one_short_line() -> None:
    line = (
        "<Scanned zoo/stranger model.pt: backdoored (target class 7), index 2.90 (threshold 1.40), "
        "default, 12.5 s>"
    )
    assert repr(found()) == str(found()) == line
    assert repr(replace(clean(), path=None)).startswith("<Scanned a model in memory: clean, ")
    assert "inconclusive (unclear-score), " in repr(inconclusive())


def test_the_found_trigger_is_an_array_by_number_or_name() -> None:
    for target in (TARGET, "horse"):
        delta = found().perturbation(target)
        assert delta.dtype == np.float32
        np.testing.assert_array_equal(delta, patch().numpy())
    assert found().perturbation(9, "frequency").shape == patch().shape


@pytest.mark.parametrize(("target", "basis"), [(3, None), (TARGET, "frequency"), ("cow", None)])
def test_a_class_without_one_says_which_have_some(target: int | str, basis: str | None) -> None:
    with pytest.raises(ValueError, match=f"no perturbation was found for class {target}, only for"):
        found().perturbation(target, basis)  # type: ignore[arg-type]


def test_the_smallest_beside_the_median_class_is_taken() -> None:
    result = found()
    (part,) = result.scores.parts
    first, wave = part.perturbations
    large = replace(wave, target=TARGET)
    parts = (replace(part, perturbations=(large, first)),)
    result = replace(result, scores=replace(result.scores, parts=parts))
    np.testing.assert_array_equal(result.perturbation(TARGET), first.delta.numpy())


def test_a_notebook_shows_the_flagged_class_and_no_markup_of_a_file_name() -> None:
    result = replace(found(), path=found().path.with_name("<b>.pt"))  # type: ignore[union-attr]
    html = result._repr_html_()
    assert "&lt;b&gt;.pt" in html
    assert "<b>" not in html
    assert re.findall(r'alt="([^"]*)"', html) == ["found trigger for class 7, amplified"]
    assert html.count("data:image/png;base64,iVBOR") == 1
    assert "<img" not in clean()._repr_html_()
