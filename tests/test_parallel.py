import os
import time
from pathlib import Path

import pytest
import torch

from triggerfish.errors import DatasetError, WorkerError
from triggerfish.parallel import in_processes

DEADLY, SLOW, BAD, CURSED = 101, 102, 103, 104


class UnpicklableError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def work(item: int) -> tuple[int, int]:
    """The item doubled, and the process that did it."""
    if item == DEADLY:
        os._exit(9)
    if item == SLOW:
        time.sleep(600)
    if item == BAD:
        raise DatasetError("expected A, got B")
    if item == CURSED:
        raise UnpicklableError("strange", "error")
    time.sleep(0.05 if item % 2 else 0)
    return 2 * item, os.getpid()


def meet(folder: Path) -> int:
    """Waits until two processes are at it."""
    (folder / str(os.getpid())).touch()
    for _ in range(6000):
        if len(list(folder.iterdir())) == 2:
            return os.getpid()
        time.sleep(0.01)
    raise DatasetError("expected another process, got none")


def once(folder: Path) -> int:
    """Dies the first time only."""
    mark = folder / "mark"
    if not mark.exists():
        mark.touch()
        os._exit(9)
    return 1


def large(size: int) -> torch.Tensor:
    return torch.arange(size)


def test_every_item_once_whoever_ends_first() -> None:
    with in_processes(work, iter(range(10)), 2) as done:
        found = list(done)
    assert sorted(one.result[0] for one in found) == [2 * i for i in range(10)]
    assert all(one.result[0] == 2 * one.item for one in found)
    assert os.getpid() not in {one.result[1] for one in found}


def test_two_processes_work_at_the_same_time(tmp_path: Path) -> None:
    with in_processes(meet, [tmp_path, tmp_path], 2) as done:
        assert len({one.result for one in done}) == 2


def test_a_dead_process_costs_its_own_item_alone() -> None:
    with in_processes(work, [1, DEADLY, 2, 3], 2) as done:
        found = {one.item: one for one in done}
    assert {item: one.result and one.result[0] for item, one in found.items()} == {
        1: 2, 2: 4, 3: 6, DEADLY: None
    }  # fmt: skip
    assert "a process that died twice" in str(found[DEADLY].loss)


def test_an_item_whose_process_died_is_tried_once_more(tmp_path: Path) -> None:
    with in_processes(once, [tmp_path], 2) as done:
        assert [one.result for one in done] == [1]


def test_an_item_that_takes_too_long_is_given_up() -> None:
    with in_processes(work, [SLOW, 1, 2], 1, timeout=1.0) as done:
        found = {one.item: one for one in done}
    assert str(found[SLOW].loss) == "expected an end within 1 s, got none: raise --timeout"
    assert [found[item].result[0] for item in (1, 2)] == [2, 4]


def test_errors_come_through() -> None:
    with pytest.raises(DatasetError, match="expected A, got B"), in_processes(work, [BAD], 1) as d:
        list(d)
    with pytest.raises(RuntimeError, match="UnpicklableError: strange"):  # noqa: SIM117
        with in_processes(work, [CURSED], 1) as done:
            list(done)


def test_tensors_do_not_travel_through_shared_memory() -> None:
    with in_processes(large, [10**6], 1) as done:
        (one,) = done
    assert torch.equal(one.result, torch.arange(10**6))
    assert not one.result.is_shared()


class Mine:
    """Work that cannot be unpickled in the child."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)

    def __call__(self, item: int) -> int:
        return item


def test_processes_that_never_start_are_an_error_not_a_loop() -> None:
    with pytest.raises(WorkerError, match="expected processes that start"):  # noqa: SIM117
        with in_processes(Mine(), [1], 1) as done:
            list(done)
