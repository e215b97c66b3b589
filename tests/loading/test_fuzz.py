"""Valid files of each format, mutated: a classifier, or one of our errors, and nothing else."""

import warnings
from pathlib import Path

import pytest
from corpus.valid import by_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triggerfish.errors import CheckpointError, UnsupportedModelError
from triggerfish.loading.load import open_model

SUFFIXES = (".pt", ".pth", ".safetensors", ".torchscript", ".pt2", ".onnx", ".h5", ".keras", ".pkl")
FRAGILE = (".h5", ".keras")


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, float, bytes]]:
    kind = st.sampled_from(["overwrite", "insert", "delete", "repeat"])
    place = st.floats(0, 1, exclude_max=True)
    piece = st.binary(min_size=1, max_size=12)
    return draw(st.lists(st.tuples(kind, place, piece), min_size=1, max_size=4))


def mutate(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for kind, place, piece in changes:
        at = int(place * len(data))
        match kind:
            case "overwrite":
                data = data[:at] + piece + data[at + len(piece) :]
            case "insert":
                data = data[:at] + piece + data[at:]
            case "delete":
                data = data[:at] + data[at + len(piece) :]
            case "repeat":
                data = data[:at] + data[max(0, at - 50 * len(piece)) :]
    return data


def _refusal(path: Path) -> str | None:
    # HDF5 can hang on a mutant: it is read in a child with a limit, as a scan does.
    try:
        open_model(path, confined=path.suffix not in FRAGILE)
    except (CheckpointError, UnsupportedModelError) as error:
        return str(error)
    return None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_mutants_load_or_are_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mutant{suffix}"

    @settings(
        max_examples=5 if suffix in FRAGILE else 40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations())
    def check(changes: list[tuple[str, float, bytes]]) -> None:
        path.write_bytes(mutate(by_format()[suffix], changes))
        message = _refusal(path)
        assert message is None or len(message.split()) > 3
        assert "\n" not in (message or "")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check()
