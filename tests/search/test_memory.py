"""Memory that runs out, without a GPU: a model that refuses large batches as one would."""

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from trained import network

from triggerfish.detectors import MinNorm
from triggerfish.errors import UnsupportedModelError
from triggerfish.model import memory
from triggerfish.model.classifier import MNIST_MEAN, MNIST_STD, Classifier, Preprocessing
from triggerfish.model.footprint import images_at_once
from triggerfish.model.memory import give_back_freed_memory, give_back_if_much
from triggerfish.runtime import keep_freed_memory
from triggerfish.scanning import ScanConfig, scan_classifier
from triggerfish.search.batching import rows_that_fit, with_enough_memory

QUICK = ScanConfig(MinNorm(steps=8, rounds=1, restarts=1))


class Small(nn.Module):
    """A network on a card with room for ``rows`` images."""

    def __init__(self, rows: int, error: type[Exception] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.network, self.rows, self.error = network(backdoored=True), rows, error
        self.largest = 0

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.rows:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB [DefaultCPUAllocator]")
        self.largest = max(self.largest, len(x))
        return self.network(x)


def classifier(model: nn.Module) -> Classifier:
    preprocessing = Preprocessing((MNIST_MEAN,), (MNIST_STD,))
    return Classifier(model, (1, 28, 28), preprocessing=preprocessing, output="logits")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_a_search_that_does_not_fit_begins_anew_with_half_the_rows(error: type[Exception]) -> None:
    model = classifier(Small(10**9, error))
    small = model.model  # the classifier's own copy
    assert isinstance(small, Small)
    whole = QUICK.detector(model, 0)
    small.rows, most = small.largest // 2, small.largest
    small.largest = 0
    again = with_enough_memory(lambda: QUICK.detector(model, 0))
    assert 0 < small.largest <= most // 2
    torch.testing.assert_close(
        again.statistic, whole.statistic, rtol=1e-2, atol=1e-2, equal_nan=True
    )


def test_the_share_is_that_search_s_own() -> None:
    model, seen = classifier(network(backdoored=True)), []

    def search() -> int:
        seen.append(rows_that_fit(model, 512.0))
        if len(seen) < 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return len(seen)

    assert with_enough_memory(search) == 4
    assert seen == [rows_that_fit(model, 512.0 / 2**k) for k in range(4)]


def test_what_never_fits_is_one_line() -> None:
    model = classifier(Small(10**9))
    model.model.rows = 0  # type: ignore[union-attr]
    with pytest.raises(UnsupportedModelError, match="expected a model that fits into memory"):
        with_enough_memory(lambda: QUICK.detector(model, 0))


def test_other_errors_are_not_tried_again() -> None:
    calls = []

    def search() -> None:
        calls.append(1)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        with_enough_memory(search)
    assert len(calls) == 1


def test_a_scan_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(network(backdoored=True))
    real, calls = MinNorm.__call__, []

    def first_time_too_large(self: MinNorm, classifier: Classifier, seed: int = 0) -> object:
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, classifier, seed)

    monkeypatch.setattr(MinNorm, "__call__", first_time_too_large)
    assert scan_classifier(model, QUICK).scores.statistic.shape == (10,)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone can")
def test_what_was_freed_goes_back_to_the_kernel() -> None:
    keep_freed_memory()
    give_back_freed_memory()
    before = resident()
    blocks = [torch.ones(2**20) for _ in range(32)]
    del blocks
    kept = resident()
    assert give_back_freed_memory()
    assert kept - resident() > 100 * 2**20
    assert resident() - before < 20 * 2**20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone can")
def test_memory_goes_back_only_where_the_process_holds_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "MUCH_BYTES", 2 * resident())
    assert not give_back_if_much()
    monkeypatch.setattr(memory, "MUCH_BYTES", resident() // 2)
    assert give_back_if_much()


class Wide(nn.Module):
    """Large values in the first layer; remembers how many images came at once."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.seen = nn.Conv2d(1, 128, 1), list[int]()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        return self.layer(x).mean((2, 3))[:, :2]


def test_a_scan_looks_at_no_more_large_images_than_fit() -> None:
    model = Classifier(Wide(), (1, 160, 160), output="logits")
    wide = model.model
    assert isinstance(wide, Wide)
    fit = images_at_once(model)
    assert fit < 16
    wide.seen.clear()
    scan_classifier(model, ScanConfig())  # two classes: no more than the checks
    assert max(wide.seen) == fit


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
