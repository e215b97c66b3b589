"""Random results, made from their types, through JSON and the file of tensors and back."""

import json

import jsonschema
import pytest
from codec.made_up_records import records, same
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggerfish.codec.tensors import Shelf, read_tensors, render_tensors
from triggerfish.reports.json_report import as_dict, json_schema, make_schema, result_of, stored
from triggerfish.results import Scanned, Skipped

VALIDATOR = jsonschema.Draft202012Validator(json.loads(json_schema()))
RANDOM = settings(
    max_examples=30, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
ANY = st.one_of(records(Scanned), records(Skipped))


def test_the_schema_that_ships_is_made_of_the_types() -> None:
    assert json_schema() == make_schema(), "run: make docs"


@RANDOM
@given(ANY)
def test_what_comes_back_is_what_went_in(result: Scanned | Skipped) -> None:
    shelf = Shelf()
    text = json.dumps(as_dict(result, shelf), allow_nan=False)
    packed = render_tensors(shelf.tensors)
    again = result_of(json.loads(text), Shelf(read_tensors(packed) if packed else None))
    assert same(result, again)


@RANDOM
@given(ANY)
def test_every_result_is_valid(result: Scanned | Skipped) -> None:
    VALIDATOR.validate(json.loads(json.dumps(stored(result))))


@pytest.mark.parametrize("wrong", [{}, {"status": "lost"}, {"status": "scanned"}, {"status": []}])
def test_what_is_no_result(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        result_of(wrong)
