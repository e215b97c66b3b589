import torch

from triggerfish.search.best_runs import best_run, runs_of


def test_marked_rows_get_several_runs():
    row, start = runs_of(torch.tensor([False, True, False, True]), 3)
    assert row.tolist() == [0, 1, 1, 1, 2, 3, 3, 3]
    assert start.tolist() == [0, 0, 1, 2, 0, 0, 1, 2]


def test_the_smallest_that_converged_counts_else_the_first():
    row = torch.tensor([0, 0, 1, 1, 2, 2, 3])
    size = torch.tensor([3.0, 2.0, 1.0, 5.0, 4.0, 2.0, 7.0])
    converged = torch.tensor([True, True, False, True, False, False, True])
    assert best_run(row, size, converged).tolist() == [1, 3, 4, 6]


def test_equal_sizes_take_the_first():
    assert best_run(torch.tensor([0, 0]), torch.ones(2), torch.ones(2).bool()).tolist() == [0]
