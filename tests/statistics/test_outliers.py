import numpy as np
import pytest
from scipy import stats

from triggerfish.statistics.outliers import (
    GammaOrderStatistic,
    Grubbs,
    Largest,
    OneSidedMAD,
    TwoSidedMAD,
    clopper_pearson,
    mad_z_scores,
    two_sided_mad_is_decided,
)

TEN = np.array([1.0, 1.1, 0.9, 1.2, 0.8, 1.05, 0.95, 1.15, 0.85, 7.2])
ALL = (TwoSidedMAD(), OneSidedMAD(), Grubbs(), GammaOrderStatistic())


def test_mad_z_score_by_hand():
    values = np.array([1.0, 2.0, 3.0, 4.0, 10.0])  # median 3, MAD 1
    np.testing.assert_allclose(mad_z_scores(values), 0.6745 * np.array([-2, -1, 0, 1, 7]))


@pytest.mark.parametrize("test", ALL)
def test_every_test_flags_the_planted_class_and_nothing_else(test):
    assert test(TEN).flagged == (9,)
    assert test(TEN[:9]).flagged == ()


def test_only_the_two_sided_test_flags_the_low_side():
    low = np.where(TEN == 7.2, -7.2, TEN)
    assert TwoSidedMAD()(low).flagged == (9,)
    assert OneSidedMAD()(low).flagged == ()
    assert Grubbs()(low).flagged == ()


def test_not_measured_stays_not_measured():
    values = np.append(TEN, np.nan)
    for test in ALL:
        found = test(values)
        assert np.isnan(found.score[10])
        assert found.flagged == (9,)
    assert Largest(5.0)(values).flagged == (9,)


def test_gamma_law_of_ties_is_no_law():
    tied = GammaOrderStatistic()(np.full(10, 5.0))
    assert np.isnan(tied.score).all()
    assert (tied.flagged, tied.p_value) == ((), None)
    one_differs = GammaOrderStatistic()(np.append(np.full(9, 5.0), 6.0))
    assert np.isnan(one_differs.score).tolist() == [False] * 9 + [True]


def test_two_sided_rule_fires_on_an_eighth_of_normal_models():
    rng = np.random.default_rng(0)
    fired = [bool(TwoSidedMAD()(rng.normal(size=10)).flagged) for _ in range(4000)]
    assert 0.10 < np.mean(fired) < 0.14


def test_grubbs_p_value_is_calibrated():
    rng = np.random.default_rng(1)
    p = [Grubbs()(rng.normal(size=10)).p_value for _ in range(4000)]
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.07


def test_decided_intervals_never_contradict_a_value_inside():
    rng = np.random.default_rng(2)
    decided = 0
    for _ in range(300):
        centre = rng.normal(size=10) * rng.choice([1, 5])
        width = rng.uniform(0, 0.5, size=10)
        low, high = centre - width, centre + width
        if two_sided_mad_is_decided(low, high, 3.5):
            decided += 1
            inside = [TwoSidedMAD()(rng.uniform(low, high)).flagged for _ in range(50)]
            assert len(set(inside)) == 1
    assert decided > 20
    assert two_sided_mad_is_decided(TEN, TEN, 3.5)


def test_clopper_pearson_matches_the_known_rule_of_three():
    low, high = clopper_pearson(0, 100)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert clopper_pearson(27, 30)[0] == pytest.approx(stats.beta.ppf(0.025, 27, 4))
    with pytest.raises(ValueError, match="successes"):
        clopper_pearson(3, 2)
