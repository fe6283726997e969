"""Group effects of which only summaries were kept."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from mixedbayes.errors import ModelError
from mixedbayes.marginal.summaries import QUANTILES, EffectsSummary
from mixedbayes.results.effect_summaries import to_dataset
from mixedbayes.results.fitted import fitted
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import coef, ranef
from mixedbayes.results.shrinkage import shrinkage
from mixedbayes.results.summary import summary


def summarised(draws):
    quantile = np.quantile(draws, QUANTILES, axis=0)
    return EffectsSummary(draws.mean(axis=0), draws.std(axis=0, ddof=1), quantile)


def without_draws(post, *, coefficients=False):
    """The same posterior with summaries in place of the draws of Subject's effects."""
    g = post.group("Subject")
    deviation = post.ranef("Subject")
    population = np.column_stack([post.intercept(), post.fixef()[:, 0]])
    total = summarised(deviation + population[:, None]) if coefficients else None
    kept = to_dataset({"Subject": (g, summarised(deviation), total)})
    tree = {"posterior": post.draws.drop_vars("ranef_Subject"), "ranef_summary": kept}
    return Posterior(post.spec, xr.DataTree.from_dict(tree))


@pytest.mark.parametrize("prob", [0.95, 0.5, 0.99])
def test_ranef_is_the_same_at_the_usual_intervals(sleep, prob):
    found, full = ranef(without_draws(sleep), prob), ranef(sleep, prob)
    assert list(found.columns) == list(full.columns.drop(["ess_bulk", "rhat"]))
    for column in ("mean", "sd", "lower", "upper"):
        np.testing.assert_allclose(found[column], full[column])
    assert found["level"].tolist() == full["level"].tolist()


def test_medians_and_probabilities_are_those_of_the_draws(sleep):
    asked = {"statistics": ["median", "prob_positive"]}
    found, full = ranef(without_draws(sleep), **asked), ranef(sleep, **asked)
    np.testing.assert_allclose(found["median"], full["median"])
    np.testing.assert_allclose(found["prob_positive"], full["prob_positive"], atol=0.06)


@pytest.mark.parametrize("mean", [-9, -1, 0, 0.5, 3, 9])
def test_the_probability_of_a_normal_is_exact_in_its_tails_too(sleep, mean):
    post = without_draws(sleep)
    variable = post.idata["ranef_summary"]["ranef_Subject_quantile"]
    variable[:] = stats.norm(mean, 2).ppf(QUANTILES)[:, None, None]
    np.testing.assert_allclose(ranef(post)["prob_positive"], stats.norm(mean, 2).sf(0))


@pytest.mark.parametrize(("value", "p"), [(0.0, 0.0), (2.0, 1.0), (-2.0, 0.0)])
def test_an_effect_without_spread_is_positive_or_not(sleep, value, p):
    post = without_draws(sleep)
    post.idata["ranef_summary"]["ranef_Subject_quantile"][:] = value
    assert (ranef(post)["prob_positive"] == p).all()


@pytest.mark.parametrize(
    "asked",
    [{"statistics": ["mean", "mad"]}, {"interval": "hdi"}, {"statistics": ["mcse"]}],
)
def test_what_follows_from_draws_alone_is_refused(sleep, asked):
    with pytest.raises(ModelError, match="follow from their draws, and only summaries"):
        ranef(without_draws(sleep), **asked)


def test_other_intervals_are_interpolated_exactly_for_a_normal(sleep):
    post = without_draws(sleep)
    variable = post.idata["ranef_summary"]["ranef_Subject_quantile"]
    variable[:] = stats.norm(3, 2).ppf(QUANTILES)[:, None, None]
    table = ranef(post, 0.83)
    np.testing.assert_allclose(table["upper"], stats.norm(3, 2).ppf(0.915))
    np.testing.assert_allclose(table["lower"], stats.norm(3, 2).ppf(0.085))


def test_wider_intervals_than_were_kept_are_refused(sleep):
    with pytest.raises(
        ModelError, match=r"quantiles from 0\.005 to 0\.995.*use prob=0\.99 or less"
    ):
        ranef(without_draws(sleep), 0.999)


def test_coefficients_come_from_their_own_summaries(sleep):
    found = coef(without_draws(sleep, coefficients=True))
    np.testing.assert_allclose(found["sd"], coef(sleep)["sd"])


def test_coefficients_without_summaries_say_what_there_is(sleep):
    with pytest.raises(ModelError, match=r"coef_Subject were kept; ranef\(\) works"):
        coef(without_draws(sleep))


def test_nothing_kept_at_all(sleep):
    tree = {"posterior": sleep.draws.drop_vars("ranef_Subject")}
    post = Posterior(sleep.spec, xr.DataTree.from_dict(tree))
    with pytest.raises(ModelError, match="neither draws nor summaries of ranef_Subject were kept"):
        ranef(post)


@pytest.mark.parametrize(
    "needs_draws",
    [fitted, lambda post: ranef(post, draws=True), lambda post: coef(post, draws=True)],
)
def test_what_needs_draws_says_so_with_the_size(sleep, needs_draws):
    with pytest.raises(ModelError, match=r"36 effects x 100 draws would take 0\.0 GB\. Fit again"):
        needs_draws(without_draws(sleep))


def test_shrinkage_and_icc_need_no_draws_of_the_effects(sleep):
    post = without_draws(sleep)
    found, full = shrinkage(post), shrinkage(sleep)
    for column in ("no_pooling", "partial_pooling", "pooling", "pooling_upper"):
        np.testing.assert_allclose(found[column], full[column])
    assert icc(post)["mean"].tolist() == icc(sleep)["mean"].tolist()
    assert "Group effects" in str(summary(post))
