import torch

from triggerfish.search.race import Standings, best_run, runs_of
from triggerfish.search.universal_settings import Race

RACE = Race(least=2, middle=2)
COST = torch.arange(20.0).flip(0)
KNOWN = torch.ones(20).bool()


def standings(count: int = 20, usual: torch.Tensor | None = None) -> Standings:
    return Standings(RACE, torch.zeros(count).long(), torch.arange(count), usual)


def test_the_smallest_and_the_middle_go_on():
    going = standings().going_on(torch.arange(20), COST, KNOWN, 0.1)
    assert COST[going].sort().values.tolist() == [0, 1, 9, 10]


def test_nothing_stops_while_few_are_known_and_unknown_rows_never_do():
    race, few = standings(), torch.arange(20) < 5
    assert race.going_on(torch.arange(20), COST, few, 0.1).all()
    most = torch.arange(20) > 3
    going = race.going_on(torch.arange(20), COST, most, 0.1)
    assert going[:4].all()
    assert going.sum() == 4 + 2 + 2


def test_rows_are_ranked_above_what_is_usual():
    usual = torch.zeros(20)
    usual[3] = 30.0  # its budget of 16 is small for it
    going = standings(usual=usual).going_on(torch.arange(20), COST, KNOWN, 0.1)
    assert going[3]


def test_small_groups_go_on_altogether_and_apart():
    group = torch.tensor([0] * 16 + [1] * 4)
    race = Standings(RACE, group, torch.arange(20))
    going = race.going_on(torch.arange(20), COST, KNOWN, 0.1)
    assert going[16:].all()
    assert going[:16].sum() == 4


def test_stopped_rows_move_as_the_middle_did():
    race = standings(8)
    early = torch.arange(8.0)
    going = race.going_on(torch.arange(8), early, torch.ones(8).bool(), 0.1)
    assert going.nonzero().flatten().tolist() == [0, 1, 3, 4]
    final = torch.where(going, early - 0.5, early)
    final[0] = -5.0  # a trigger fell much further, which tells nothing of the others
    settled = race.settled(final, torch.ones(8).bool())
    assert settled.tolist() == [-5.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]


def test_where_the_middle_never_got_there_others_tell():
    race, early = standings(8), torch.arange(8.0)
    going = race.going_on(torch.arange(8), early, torch.ones(8).bool(), 0.1)
    final = torch.where(going, early - 1.0, early)
    converged = torch.tensor([1, 1, 1, 0, 0, 1, 1, 1]).bool()
    assert race.settled(final, converged)[5] == 4.0


def test_of_a_unit_the_best_run_alone_goes_on():
    unit, start = runs_of(torch.tensor([False, True, True]), 2)
    assert (unit.tolist(), start.tolist()) == ([0, 1, 1, 2, 2], [0, 0, 1, 0, 1])
    race = Standings(Race(fewest=1), torch.zeros(3).long(), unit)
    cost = torch.tensor([1.0, 3.0, 2.0, 1.0, 1.0])
    going = race.going_on(torch.arange(5), cost, torch.ones(5).bool(), 1.0)
    assert going.tolist() == [True, False, True, True, False]


def test_the_smallest_run_that_converged_counts_of_those_that_went_farthest():
    unit = torch.tensor([0, 0, 1, 1, 2, 2])
    size = torch.tensor([1.0, 2.0, 1.0, 2.0, 3.0, 4.0])
    converged = torch.tensor([1, 1, 0, 1, 0, 0]).bool()
    steps = torch.tensor([10, 40, 40, 40, 40, 40])
    assert best_run(unit, size, converged, steps).tolist() == [1, 3, 4]


def test_of_the_smallest_only_those_that_may_count_go_on_with_the_middle():
    ranks = []

    def may_count(log_size: torch.Tensor, rung: int) -> torch.Tensor:
        ranks.append(rung)
        return log_size < 0.5

    race = Standings(
        RACE, torch.zeros(20).long(), torch.arange(20), usual=None, may_count=may_count
    )
    going = race.going_on(torch.arange(20), COST, KNOWN, 0.2)
    assert COST[going].sort().values.tolist() == [0, 9, 10]
    runs = torch.arange(20)[going]
    going = race.going_on(runs, COST[going] + 1.0, KNOWN[going], 0.2)
    assert not going.any()
    assert ranks == [0, 1]


def test_stopped_rows_are_judged_where_the_middle_went():
    seen = []
    race = Standings(
        RACE,
        torch.zeros(8).long(),
        torch.arange(8),
        may_count=lambda log_size, _: seen.append(log_size.tolist()) or log_size < 99,
    )
    early = torch.arange(8.0)
    going = race.going_on(torch.arange(8), early, torch.ones(8).bool(), 0.1)
    race.going_on(torch.arange(8)[going], early[going] - 0.5, torch.ones(4).bool(), 0.1)
    assert seen == [early.tolist(), (early - 0.5).tolist()]


def test_without_a_middle_those_that_stopped_count_as_known():
    race = Standings(Race(least=1, middle=0, fewest=2), torch.zeros(4).long(), torch.arange(4))
    cost, known = torch.arange(4.0), torch.ones(4).bool()
    going = race.going_on(torch.arange(4), cost, known, 0.5)
    assert going.tolist() == [True, True, False, False]
    going = race.going_on(torch.arange(2), cost[:2], known[:2], 0.25)
    assert going.tolist() == [True, False]
