import importlib

import pytest

import triggerfish


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
