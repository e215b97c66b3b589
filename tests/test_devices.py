import pytest
import torch

from triggerfish.runtime import choose_device


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three cards, the second with the most free memory; nothing can be put on them."""
    free = [2, 9, 5]
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (free[index], 10))


def test_the_processor_always_works() -> None:
    assert choose_device("cpu") == "cpu"


def test_auto_takes_the_card_with_the_most_free_memory(cards: None) -> None:
    assert choose_device("auto") == "cuda:1"


def test_auto_without_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"


def test_a_card_too_many(cards: None) -> None:
    with pytest.raises(ValueError, match="got cuda:3 and 3 CUDA devices: use --device auto"):
        choose_device("cuda:3")


@pytest.mark.skipif(torch.version.cuda is not None, reason="PyTorch has CUDA")
def test_cuda_without_cuda() -> None:
    with pytest.raises(ValueError, match="got cuda with a PyTorch built without CUDA"):
        choose_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "meta", "cuda:x", "abacus", ""])
def test_what_is_no_device(name: str) -> None:
    with pytest.raises(ValueError, match="expected a device that works here"):
        choose_device(name)
