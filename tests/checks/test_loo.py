import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedbayes as mb
from mixedbayes.checks.leave_out import leave_out


@pytest.fixture(scope="module")
def eight_schools_exact():
    """(8,) log p(y_j | the other schools), by quadrature over tau, mu in closed form."""
    data = mb.load_data("eight_schools")
    y, sd = data["y"].to_numpy(float), data["sigma"].to_numpy(float)

    def log_evidence(keep):
        nodes, weights = np.polynomial.legendre.leggauss(400)
        angle = (nodes + 1) * np.pi / 4
        tau = 5 * np.tan(angle)  # HalfCauchy(5) is uniform in the angle
        terms = [
            stats.multivariate_normal.logpdf(
                y[keep], np.zeros(keep.sum()), np.diag(sd[keep] ** 2 + t**2) + 25.0
            )
            for t in tau
        ]
        return special.logsumexp(terms, b=weights / 2)

    everyone = np.ones(8, bool)
    return np.array([log_evidence(everyone) - log_evidence(np.arange(8) != j) for j in range(8)])


def test_schools_left_out_agree_with_quadrature(fit_of, eight_schools_exact):
    fit = fit_of("eight_schools")
    by_group = fit.loo("group", refit=False)
    np.testing.assert_allclose(by_group.elpd_i, eight_schools_exact, atol=0.03)
    # A school has one observation: left out, both targets ask the same.
    by_observation = fit.loo("observation", refit=False)
    np.testing.assert_allclose(by_observation.elpd_i, eight_schools_exact, atol=0.1)


def test_refits_agree_with_quadrature(fit_of, eight_schools_exact):
    folds = fit_of("eight_schools").kfold(8, by="school")
    np.testing.assert_allclose(folds.elpd_i, eight_schools_exact, atol=0.02)
    assert folds.n_folds == 8
    assert "All 8 fits converged" in str(folds)


def difference(a, b):
    """Sum of the differences of two scores, and its standard error."""
    d = np.asarray(a.elpd_i) - np.asarray(b.elpd_i)
    return d.sum(), np.sqrt(len(d) * d.var())


def test_subjects_left_out_agree_with_refits(fit_of):
    fit = fit_of("sleepstudy_days_subject")
    exact = fit.kfold(18, by="Subject")
    for refit in (False, True):
        total, error = difference(fit.loo("group", refit=refit), exact)
        assert abs(total) < 2 * error + 0.05


@pytest.mark.slow
def test_plates_left_out_agree_with_refits(fit_of):
    fit = fit_of("penicillin_crossed")
    total, error = difference(fit.loo("plate"), fit.kfold(24, by="plate"))
    assert abs(total) < 2 * error


@pytest.mark.slow
def test_outer_levels_of_nested_counts_left_out_agree_with_refits():
    """Effects of a level and of its inner levels are integrated out by importance sampling."""
    rng = np.random.default_rng(3)
    a, b = np.repeat(np.arange(12), 12), np.tile(np.repeat(np.arange(3), 4), 12)
    inner = rng.normal(0, 0.4, (12, 3))
    mean = np.exp(1 + rng.normal(0, 0.6, 12)[a] + inner[a, b])
    data = pd.DataFrame({"y": rng.poisson(mean), "a": a, "b": b})
    fit = mb.fit("y ~ 1 + (1 | a/b)", data, family="poisson", seed=1, progress=False)
    found = fit.loo("group", refit=False)
    assert found.held_out.target == "a"
    assert (found.integral_k < found.good_k).all()
    total, error = difference(found, fit.kfold(12, by="a"))
    assert abs(total) < 2 * error + 0.05


def test_integrals_that_are_rough_are_said_to_be(fit_of):
    found = fit_of("sleepstudy_days_subject").loo("group", refit=False)
    assert (found.integral_k == -np.inf).all()
    assert "integrate out only roughly" not in found.verdict
    found.integral_k = np.where(np.arange(18) == 2, 0.9, 0.1)
    level = found.held_out.labels[2]
    assert f"effects of {level} integrate out only roughly" in found.verdict


def test_influential_groups_are_named_and_refitted(fit_of):
    fit = fit_of("sleepstudy_days_subject")
    trusted = fit.loo("group", refit=False)
    assert "332" in trusted.verdict
    assert "refit=True" in trusted.verdict
    assert trusted.warning
    exact = fit.loo("group")
    assert exact.refitted == 1
    assert "fitted again without them" in str(exact)
    assert not exact.warning
    first = exact.influence.iloc[0]
    assert (first["Subject"], first["influential"], first["how"]) == ("332", True, "refitted")
    assert exact.elpd == pytest.approx(float(exact.elpd_i.sum()))
    assert exact.influence["p"].sum() == pytest.approx(exact.p)


def test_influential_observations_are_named_with_their_groups(fit_of):
    fit = fit_of("sleepstudy_days_subject")
    said = fit.loo(refit=False)
    top = said.influence.iloc[0]
    assert f"row {top['observation']} (Subject {top['Subject']})" in said.verdict


def test_asking_twice_gives_the_same_and_changes_nothing(fit_of):
    fit = fit_of("sleepstudy_days_subject")
    before = {name: node.to_dataset().copy(deep=True) for name, node in fit.idata.children.items()}
    first, second = fit.loo("Subject"), fit.loo("group")
    np.testing.assert_array_equal(first.elpd_i, second.elpd_i)
    np.testing.assert_array_equal(fit.kfold(2).elpd_i, fit.kfold(2).elpd_i)
    for name, dataset in before.items():
        assert dataset.identical(fit.idata[name].to_dataset())


def test_arviz_takes_the_result(fit_of):
    from arviz_stats import compare

    fit = fit_of("sleepstudy_days_subject")
    table = compare({"a": fit.loo(), "b": fit_of("sleepstudy_intercept").loo()})
    assert list(table.index) == ["a", "b"]


def test_folds_keep_groups_together_and_are_of_like_size(fit_of):
    found = fit_of("sleepstudy_intercept").kfold(4, by="Subject")
    assert sorted(np.bincount(found.fold)) == [4, 4, 5, 5]
    assert found.elpd_i.sizes == {"Subject": 18}
    by_row = fit_of("sleepstudy_intercept").kfold(3, seed=2)
    assert by_row.elpd_i.sizes == {"obs": 180}
    assert set(np.bincount(by_row.fold)) == {60}


def test_the_target_group_needs_one_coarsest_factor(fit_of):
    with pytest.raises(mb.ModelError, match="could mean plate or sample"):
        fit_of("penicillin_crossed").loo("group")
    with pytest.raises(mb.ModelError, match="'observation', 'group', 'plate', 'sample'"):
        fit_of("penicillin_crossed").loo("dish")


@pytest.mark.parametrize("k", [1, 2.5, True, "ten"])
def test_folds_are_at_least_two(fit_of, k):
    with pytest.raises(mb.ModelError, match="at least 2 folds"):
        fit_of("eight_schools").kfold(k)


def test_folds_are_by_a_grouping_factor(fit_of):
    with pytest.raises(mb.ModelError, match=r"by='dish' is not a grouping factor.*plate, sample"):
        fit_of("penicillin_crossed").kfold(2, by="dish")


def test_effects_integrated_out_agree_with_refits(fit_of):
    """Influential observations, weighted again given the population alone."""
    fit = fit_of("sleepstudy_days_subject")
    found = fit.loo(refit=False)
    again = np.flatnonzero(found.how == "integrated")
    assert len(again)
    assert not set(again) & set(found.high)
    assert "all of them the group effects were integrated out, which makes" in found.verdict
    exact = [leave_out(fit.posterior, found.held_out, np.array([row]), 0) for row in again]
    refitted = [e.log_density[0] for e in exact]  # noisier the further out a row is
    np.testing.assert_allclose(found.elpd_i[again], refitted, rtol=0.012, atol=0.12)
    assert found.elpd == pytest.approx(float(found.elpd_i.sum()))
    assert found.influence["p"].sum() == pytest.approx(found.p)
