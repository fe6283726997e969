import numpy as np
import pytest

import mixedbayes as mb
from mixedbayes.checks.predictive import Check, statistic


def test_replicates_of_the_same_and_of_new_groups_are_kept_apart(fit_of):
    fit = fit_of("sleepstudy_days_subject")
    before = {name: node.to_dataset().copy(deep=True) for name, node in fit.idata.children.items()}
    same, new = fit.posterior_predictive(), fit.posterior_predictive("new")
    assert same.sizes == {"chain": 4, "draw": 1000, "obs": 180}
    assert fit.idata["posterior_predictive"].to_dataset().identical(same)
    assert fit.idata["posterior_predictive_new"].to_dataset().identical(new)
    post = fit.posterior
    tau = np.mean(post.cov("Subject")[:, 0, 0] + post.parameters()["sigma"] ** 2)
    first = new["Reaction"][..., fit.model.design.mu.X[:, 0] == 0]
    assert float(first.var()) == pytest.approx(tau + post.intercept().var(), rel=0.1)
    assert float(same["Reaction"][..., 0].std()) < float(new["Reaction"][..., 0].std())
    for name, dataset in before.items():
        assert dataset.identical(fit.idata[name].to_dataset())


def test_asking_twice_gives_the_same_and_replaces_nothing(fit_of):
    fit = fit_of("eight_schools")
    first = fit.posterior_predictive()
    assert fit.posterior_predictive().identical(first)
    other = fit.posterior_predictive(seed=99)
    assert not other.equals(first)
    assert other.attrs["seed"] == 99
    assert fit.idata["posterior_predictive"].to_dataset().identical(first)
    with pytest.raises(mb.ModelError, match='"auto", or groups never seen with "new"'):
        fit.posterior_predictive("old")


def test_what_is_drawn_from_the_priors_is_read_from_a_file(fit_of, tmp_path):
    fit = fit_of("eight_schools")
    kept = fit.prior_predictive()
    fit.save(tmp_path / "fit.nc")
    assert mb.load(tmp_path / "fit.nc").idata["prior_predictive"].to_dataset().equals(kept)


def test_arviz_draws_what_is_kept(fit_of):
    from arviz_plots import plot_ppc_dist

    fit = fit_of("eight_schools")
    fit.posterior_predictive()
    drawn = plot_ppc_dist(fit.idata, num_samples=10)
    assert "y" in drawn.viz["plot"].data_vars


def test_priors_have_checks_too(fit_of):
    fit = fit_of("eight_schools")
    fit.pp_check("stat", stat="max", prior=True)
    kept = fit.idata["prior_predictive"].to_dataset()
    assert kept.identical(fit.prior_predictive())
    assert "sd_school" in fit.idata["prior"]
    assert float(kept["y"].std()) > float(fit.posterior_predictive()["y"].std())


def test_pictures_of_a_fit(fit_of):
    fit = fit_of("eight_schools")
    (title,) = fit.pp_check("stat", stat="mean", groups="new").viz["plot"].data_vars
    replicated = fit.posterior_predictive("new")["y"].to_numpy()
    p = np.mean(replicated.mean(axis=-1) > fit.model.design.y.mean())
    assert title == f"y, mean: p = {p:.2f}"


Y = np.array([[0.0, 3.0, 0.0, 5.0], [1.0, 1.0, 1.0, 1.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean", [2, 1]),
        ("sd", [np.std(Y[0], ddof=1), 0]),
        ("min", [0, 1]),
        ("max", [5, 1]),
        ("zeros", [0.5, 0]),
        (np.ptp, [5, 0]),
        (lambda y: y[0], [0, 1]),
    ],
)
def test_statistics(name, expected):
    np.testing.assert_allclose(statistic(name)(Y), expected)


def test_ties_count_half():
    assert Check(np.array([[1.0, 2.0], [2.0, 3.0]]), 2.0).p == 0.5
