import torch

from triggerfish.search.halving import rows_that_go_on, settled

COST = torch.arange(20.0).flip(0)
ONE_GROUP = torch.zeros(20).long()


def test_the_cheapest_and_the_middle_go_on():
    going = rows_that_go_on(COST, ONE_GROUP, kept=0.1, least=1)
    assert COST[going].sort().values.tolist() == [0, 1, 7, 8, 9, 10, 11]


def test_small_groups_go_on_altogether_and_apart():
    group = torch.tensor([0] * 15 + [1] * 5)
    going = rows_that_go_on(COST, group, kept=0.1, least=4)
    assert going[15:].all()
    assert COST[:15][going[:15]].sort().values.tolist() == [5, 6, 7, 8, 10, 11, 12, 13, 14]


def test_stopped_rows_move_as_the_middle_did():
    early = torch.tensor([8.0, 8.0, 8.0, 8.0, 16.0, 32.0])
    size = torch.tensor([0.1, 0.5, 4.0, 4.0, 16.0, 32.0])
    went_on = torch.tensor([True, True, True, True, False, False])
    later = settled(size, torch.tensor([6.0, 7.0, 8.0, 8.0, 16.0, 32.0]), ONE_GROUP[:6], went_on)
    assert later.tolist() == [*size[:4].tolist(), 8.0, 16.0]
    assert torch.equal(settled(size, early, ONE_GROUP[:6], went_on | True), size)
