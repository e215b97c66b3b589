import numpy as np
import pytest
from scipy import stats

from benchmarks.quality import auroc, auroc_interval, detected_at_fpr, threshold_at_fpr


def scores(*values):
    return np.array(values, dtype=np.float64)


def test_auroc_counts_pairs():
    assert auroc(scores(0, 1), scores(2, 3)) == 1.0
    assert auroc(scores(2, 3), scores(0, 1)) == 0.0
    assert auroc(scores(1, 1), scores(1)) == 0.5
    assert auroc(scores(0, 2), scores(1, 2)) == (1 + 0 + 1 + 0.5) / 4


def test_auroc_is_the_mann_whitney_statistic():
    generator = np.random.default_rng(1)
    clean, attacked = generator.normal(size=30), generator.normal(1, size=20)
    statistic = stats.mannwhitneyu(attacked, clean).statistic
    assert auroc(clean, attacked) == pytest.approx(statistic / (30 * 20))


def test_auroc_of_two_normal_laws():
    # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt(2))
    generator = np.random.default_rng(2)
    clean, attacked = generator.normal(size=2000), generator.normal(1, size=2000)
    assert auroc(clean, attacked) == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.02)


def test_infinite_scores_have_a_place():
    assert auroc(scores(-np.inf, 0), scores(np.inf, -np.inf)) == (2 + 0.5) / 4


def test_interval_is_as_wide_as_the_normal_approximation_says():
    # Hanley and McNeil 1982, equation 1
    generator = np.random.default_rng(3)
    clean, attacked = generator.normal(size=60), generator.normal(1, size=60)
    area = auroc(clean, attacked)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + 59 * (q1 - area**2) + 59 * (q2 - area**2)
    half_width = 1.96 * np.sqrt(variance / 60**2)
    low, high = auroc_interval(clean, attacked)
    assert low < area < high
    assert high - low == pytest.approx(2 * half_width, rel=0.15)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(4)
    truth = stats.norm.cdf(1 / np.sqrt(2))
    covered = 0
    for _ in range(200):
        clean, attacked = generator.normal(size=40), generator.normal(1, size=40)
        low, high = auroc_interval(clean, attacked, resamples=400)
        covered += low <= truth <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_interval_is_one_point_where_nothing_overlaps():
    assert auroc_interval(scores(0, 1, 2), scores(3, 4)) == (1.0, 1.0)


def test_interval_is_repeatable():
    clean, attacked = scores(0, 1, 2, 3), scores(2, 3, 4)
    assert auroc_interval(clean, attacked) == auroc_interval(clean, attacked)


@pytest.mark.parametrize("count", [20, 100, 300])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05])
def test_threshold_keeps_the_rate_and_no_lower_one_does(count, rate):
    clean = np.random.default_rng(count).permutation(count).astype(float)
    threshold = threshold_at_fpr(clean, rate)
    assert (clean > threshold).sum() == round(rate * count - 0.49)
    assert (clean >= threshold).mean() > rate


def test_detected_at_fpr():
    clean = np.arange(100.0)
    attacked = scores(94, 94.5, 98.5, 99, 200)
    assert detected_at_fpr(clean, attacked, 0.01) == 3  # above 98
    assert detected_at_fpr(clean, attacked, 0.05) == 4  # above 94
    assert detected_at_fpr(clean[:10], attacked, 0.05) == 5  # above 9, the largest


def test_equal_scores_are_not_above_the_threshold():
    assert detected_at_fpr(scores(1, 1, 1), scores(1, 2), 0.05) == 1


@pytest.mark.parametrize(("clean", "attacked"), [((), (1,)), ((1,), ()), ((np.nan,), (1,))])
def test_what_cannot_be_compared_is_refused(clean, attacked):
    with pytest.raises(ValueError, match="expected"):
        auroc(scores(*clean), scores(*attacked))


def test_a_rate_is_a_fraction():
    with pytest.raises(ValueError, match="expected a rate"):
        threshold_at_fpr(scores(1), 1.0)
