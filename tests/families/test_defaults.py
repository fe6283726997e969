"""Default priors on the link's scale: what they imply for the response is sane."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.families.registry import FAMILIES

CASES = {
    "bernoulli": ("verbagg", "r2 ~ Anger + Gender + (1 | id)"),
    "binomial": ("cbpp", "incidence | trials(size) ~ period + (1 | herd)"),
    "poisson": ("grouseticks", "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)"),
    "negative_binomial": ("grouseticks", "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)"),
    "student_t": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "lognormal": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "gamma": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "cumulative": ("verbagg", "resp ~ Anger + Gender + (1 | id)"),
}


def drawn(name, formula, data, draws=400):
    model = mb.Model(formula, data, family=name)
    tree = model.prior_predictive(draws, seed=1)
    return model, next(iter(tree["prior_predictive"].data_vars.values())).to_numpy()[0]


@pytest.mark.parametrize("name", CASES)
def test_prior_predictive_covers_the_data_and_stays_in_reach(name):
    """The data's mean is no surprise under the priors, and draws keep to their support."""
    source, formula = CASES[name]
    model, y = drawn(name, formula, mb.load_data(source))
    observed = model.spec.family.reported(model.design.y).mean()
    means = y.mean(axis=1)
    assert 0.05 < (means < observed).mean() < 0.95
    valid = model.design.y if name == "student_t" else y
    assert valid.min() >= 0
    if model.design.trials is not None:
        assert np.all(y <= model.design.trials)
    if name in ("poisson", "negative_binomial"):
        assert np.median(y) < 10 * observed
        assert np.quantile(y, 0.75) < 1000 * observed


def test_shares_have_room_for_zero_and_one_but_do_not_insist():
    _, y = drawn("bernoulli", *reversed((mb.load_data("verbagg"), CASES["bernoulli"][1])))
    shares = y.mean(axis=1)
    assert np.mean((shares > 0.4) & (shares < 0.6)) > 0.02
    assert np.mean((shares > 0.05) & (shares < 0.95)) > 0.3


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("name", ["lognormal", "gamma", "student_t"])
def test_units_of_the_response_move_the_intercept_alone(name, factor):
    data = mb.load_data("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    before = mb.Model(formula, data, family=name).spec.priors.mu
    after = mb.Model(formula, data.assign(Reaction=data.Reaction * factor), family=name)
    moved = after.spec.priors.mu
    unit = factor if name == "student_t" else 1.0
    assert moved.fixef[0].prior.sigma == pytest.approx(before.fixef[0].prior.sigma * unit)
    shift = 0.0 if name == "student_t" else np.log(factor)
    assert moved.intercept.prior.mu == pytest.approx(before.intercept.prior.mu * unit + shift)


def test_an_exposure_is_taken_off_the_intercepts_centre():
    data = pd.DataFrame({"y": [2, 4, 6, 8], "t": [10.0, 20.0, 30.0, 40.0]})
    prior = mb.Model("y ~ offset(log(t))", data, family="poisson").spec.priors.mu.intercept.prior
    assert prior.mu == pytest.approx(np.log(5) - np.log(data.t).mean())


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_scales_follow_the_links_own_unit(link):
    kind = next(k for k in FAMILIES["binomial"].mean_links if k.name == link)
    data = mb.load_data("cbpp")
    model = mb.Model(CASES["binomial"][1], data, family=mb.Binomial(link=kind()))
    unit = np.sqrt(kind.variance / (np.pi**2 / 3))
    # what the other periods leave of the first, each row as often as it has trials
    written = np.repeat(model.design.mu.X, model.design.trials, axis=0)
    x = written - written.mean(axis=0)
    fit = x[:, 1:] @ np.linalg.lstsq(x[:, 1:], x[:, 0])[0]
    left = np.linalg.norm(x[:, 0] - fit) / np.linalg.norm(x[:, 0])
    assert model.spec.priors.mu.fixef[0].prior.sigma == pytest.approx(2.5 * unit / left)
    assert 0.7 < left < 1
    assert model.spec.priors.mu.sd["herd"][0].prior.lam == pytest.approx(1 / unit)


def test_thresholds_are_drawn_in_order():
    model = mb.Model("resp ~ Anger + (1 | id)", mb.load_data("verbagg"), family="cumulative")
    drawn = model.prior_predictive(50, seed=2)["prior"]["thresholds"]
    assert drawn.dims == ("chain", "draw", "threshold")
    assert drawn.threshold.to_numpy().tolist() == ["no|perhaps", "perhaps|yes"]
    assert np.all(np.diff(drawn.to_numpy(), axis=-1) > 0)
