"""Families of ordered categories: identities between them, far tails, discrimination, oracles."""

from dataclasses import replace
from decimal import Decimal, localcontext

import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy import special

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.ordinal_rows import (
    INTERVALS,
    TAILS,
    adjacent,
    between,
    reflected,
    stopping,
)
from mixedbayes.families.registry import FAMILIES, family_from_names
from mixedbayes.joint.density import JointDensity

ORDINAL = [name for name, kind in FAMILIES.items() if kind().thresholds]
LINKS = ["logit", "probit", "cloglog"]
RNG = np.random.default_rng(4)
CUTS, ETA = RNG.normal(0, 1.5, (3, 4)), RNG.normal(0, 1.5, (3, 25))
Y = np.arange(25) % 5


def log_density(name, link, y=Y, **more):
    return family_from_names(name, link).log_density(y, ETA, {"thresholds": CUTS, **more})


def test_stopping_ratios_are_a_binomial_model_of_rows_written_out():
    """One row for each category that was reached: did the response stop there?"""
    reached = np.minimum(Y, 3) + 1
    row, step = np.repeat(np.arange(25), reached), np.concatenate([np.arange(k) for k in reached])
    stopped = (step == Y[row]).astype(float)
    p = special.expit(CUTS[:, step] - ETA[:, row])
    each = mb.Bernoulli().log_density(stopped, p, {})
    expected = np.stack([np.bincount(row, e) for e in each])
    np.testing.assert_allclose(log_density("sratio", "logit"), expected, rtol=1e-12)


@pytest.mark.parametrize("link", LINKS)
def test_continuing_is_not_stopping_where_the_link_is_symmetric(link):
    stops, goes = log_density("sratio", link), log_density("cratio", link)
    assert np.allclose(stops, goes, rtol=1e-12) == (link != "cloglog")


@pytest.mark.parametrize("link", LINKS)
def test_two_adjacent_categories_are_bernoulli(link):
    family = family_from_names("acat", link)
    y, eta = np.arange(25) % 2, ETA / 4
    found = family.log_density(y, eta, {"thresholds": CUTS[:, :1] / 4})
    bernoulli = family_from_names("bernoulli", link)
    expected = bernoulli.log_density(y, bernoulli.inverse(eta - CUTS[:, :1] / 4, np), {})
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_adjacent_odds_are_multiplied_by_exp_of_the_effect():
    family = FAMILIES["acat"]()
    p, q = (family.probabilities(ETA + b, {"thresholds": CUTS}) for b in (0.0, 0.7))
    ratio = (q[..., 1:] / q[..., :-1]) / (p[..., 1:] / p[..., :-1])
    np.testing.assert_allclose(ratio, np.exp(0.7))


def test_cloglog_of_cumulative_has_proportional_hazards():
    family = family_from_names("cumulative", "cloglog")
    cuts = np.sort(CUTS, axis=1) / 4
    p, q = (family.probabilities(ETA / 4 + b, {"thresholds": cuts}) for b in (0.0, 0.7))
    hazards = [-np.log1p(-np.cumsum(x, axis=-1)[..., :-1]) for x in (p, q)]
    np.testing.assert_allclose(hazards[1] / hazards[0], np.exp(-0.7), rtol=1e-7)


@pytest.mark.parametrize("name", ORDINAL)
def test_thresholds_that_fit_have_the_shares(name):
    shares = np.array([0.3, 0.05, 0.4, 0.25])
    for link in LINKS:
        family = family_from_names(name, link)
        cuts = family.thresholds_of(shares)
        found = family.probabilities(np.zeros((1, 1)), {"thresholds": cuts[None]})[0, 0]
        np.testing.assert_allclose(found, shares, rtol=1e-12)


@pytest.mark.parametrize("name", ORDINAL)
@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_thresholds_start_where_simulated_responses_lack_a_category(name, lacking, rated):
    design = mb.Model("y ~ x", rated[rated.y != "yes"], family=name).spec.design
    y = np.where(design.y == lacking, (lacking + 1) % 3, design.y)
    cuts = FAMILIES[name]().typical("thresholds", replace(design, y=y), None)
    assert cuts.shape == (2,)
    assert np.isfinite(cuts).all()


@pytest.mark.parametrize("name", ORDINAL)
@pytest.mark.parametrize("link", LINKS)
def test_information_is_that_of_the_scores(name, link):
    family = family_from_names(name, link)
    cuts = np.sort(CUTS, axis=1)
    disc, h = np.array([0.6, 1.0, 1.7]), 1e-5

    def log_p(eta, log_disc):
        p = {"thresholds": cuts, "disc": disc * np.exp(log_disc)}
        return family.log_probabilities(family.edges(eta, p))

    p, own = np.exp(log_p(ETA, 0.0)), {"thresholds": cuts, "disc": disc}
    score = (log_p(ETA + h, 0.0) - log_p(ETA - h, 0.0)) / (2 * h)
    found = family.information(ETA, own)
    np.testing.assert_allclose(found, (p * score**2).sum(axis=-1), rtol=1e-5, atol=1e-9)
    score = (log_p(ETA, h) - log_p(ETA, -h)) / (2 * h)
    found = family.parameter_information("disc", ETA, own)
    np.testing.assert_allclose(found, (p * score**2).sum(axis=-1), rtol=1e-5, atol=1e-9)


# ---- far tails ---------------------------------------------------------------------------------


def tails(link, x):
    """F(x) and 1 - F(x) as decimal numbers of many digits."""
    if link == "probit":
        return tuple(Decimal(float(special.log_ndtr(float(h)))).exp() for h in (x, -x))
    if link == "logit":
        return tuple(1 / (1 + h.exp()) for h in (-x, x))
    above = (-x.exp()).exp()
    return 1 - above, above


def exact(name, link, k, e):
    """log p(k) at edges e."""
    if name == "cumulative":
        (_, low), (high, _) = (tails(link, x) for x in (e[max(k - 1, 0)], e[min(k, len(e) - 1)]))
        if k in (0, len(e)):
            return (high if k == 0 else low).ln()
        if e[k] > 0:
            return (low - tails(link, e[k])[1]).ln()
        return (high - tails(link, e[k - 1])[0]).ln()
    pairs = [tails(link, x if name == "sratio" else -x) for x in e]
    ends, goes = zip(*(pairs if name == "sratio" else [(b, a) for a, b in pairs]), strict=True)
    if name != "acat":
        return sum((p.ln() for p in goes[:k]), Decimal(0)) + (ends[k].ln() if k < len(e) else 0)
    level = [Decimal(0)]
    for stays, goes_on in zip(ends, goes, strict=True):
        level.append(level[-1] + goes_on.ln() - stays.ln())
    return level[k] - sum(a.exp() for a in level).ln()


MADE = {
    "cumulative": between, "sratio": stopping, "cratio": lambda t: stopping(reflected(t)),
    "acat": adjacent,
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINAL)
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("far", [-600.0, -38.0, -5.0, 0.0, 3.0, 36.0])
def test_rows_keep_their_digits(name, link, far):
    if link == "cloglog" and (far < -30 if name in ("cratio", "acat") else far > 30):
        far = np.sign(far) * 5.5  # beyond, a logarithm is no decimal number
    kind = {cls.name: cls for cls in TAILS}[link]
    category = MADE[name](INTERVALS[kind] if name == "cumulative" else TAILS[kind]).py_func
    e, s, unused = far + np.array([-1.0, 0.25, 0.75]), np.empty(3), np.empty(3)
    for k in range(4):
        value = category(k, e.copy(), s)
        with localcontext() as context:
            context.prec = 700
            expected = float(exact(name, link, k, [Decimal(float(x)) for x in e]))
        assert value == pytest.approx(expected, rel=1e-11, abs=1e-12)
        steps = 1e-4 * np.eye(3)
        slopes = [category(k, e + h, unused) - category(k, e - h, unused) for h in steps]
        np.testing.assert_allclose(s, np.array(slopes) / 2e-4, rtol=1e-6, atol=1e-6)


# ---- discrimination ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rated():
    """Ratings by judges whose scale is finer for b, each row twice."""
    rng, n = np.random.default_rng(2), 120
    d = pd.DataFrame({"x": rng.integers(0, 3, n) / 2, "my judge": np.arange(n) % 6})
    d["arm"] = np.where(np.arange(n) % 2, "b", "a")
    latent = 1.2 * d.x + rng.logistic(size=n) / np.where(d.arm == "b", 2.0, 1.0)
    d["y"] = pd.cut(latent, [-99, -0.5, 0.5, 1.5, 99], labels=["no", "so so", "well", "yes"])
    return pd.concat([d, d], ignore_index=True)


FORMULA = ["y ~ x + (1 | `my judge`)", "disc ~ arm + x + (1 | `my judge`)"]


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ("disc ~ 1", "an intercept alone"),
        ("disc ~ 0 + arm", "could not be told from the unit of thresholds"),
    ],
)
def test_a_disc_that_is_not_identified_is_refused(own, why, rated):
    with pytest.raises(DataError, match=why):
        mb.Model(["y ~ x", own], rated, family="sratio")


def test_a_formula_of_thresholds_is_refused(rated):
    with pytest.raises(ModelError, match="that may have one are: disc"):
        mb.Model(["y ~ x", "thresholds ~ x"], rated, family="acat")


@pytest.mark.parametrize(
    ("name", "given"),
    [("cumulative", False), ("cumulative", True), ("sratio", False), ("acat", True)],
)
def test_the_compiled_density_is_pymcs(name, given, rated):
    """Its gradient that of differences; equal rows are added up. Thresholds and disc's columns."""
    priors = {"thresholds": mb.Normal(1, 2)} if given else None
    model = mb.Model(FORMULA, rated, family=name, priors=priors)
    density = JointDensity.of(model.design, model.family, model.spec.priors)
    assert density.data.n_mean <= len(rated) / 2
    layout, plain = density.layout, density.coordinates
    assert not model.design.predictor("disc").intercept
    built = model.build(mb.Centered())
    logp = built.compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng, found, expected = np.random.default_rng(1), [], []
    for _ in range(3):
        theta = 0.4 * rng.normal(size=layout.ndim)
        x = {k: v[0] for k, v in layout.named(theta[None], plain).items()}
        cuts = x["thresholds"] - (0 if given else x["fixef"] @ model.design.mu.means)
        values, jacobian = {}, 0.0
        for p in ("mu", "disc"):
            values[names.fixef(p)] = x[names.fixef(p)]
            sd, b = x[names.sd("my judge", p)], x[names.ranef("my judge", p)]
            values[f"{names.sd('my judge', p)}_log__"] = np.log(sd)
            values[names.ranef("my judge", p)] = b
            jacobian += (1 + len(b)) * float(np.log(sd[0]))
        called = "thresholds" if given else "thresholds_at_means"
        if model.family.ordered:
            gaps = np.log(np.diff(cuts))
            values[f"{called}_ordered__"] = np.append(cuts[:1], gaps)
            jacobian += gaps.sum() + special.gammaln(4)
        else:
            values[called] = cuts
        expected.append(float(logp(values)) + jacobian)
        value, slope = density.logp_grad(theta)
        found.append(value)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    steps = 1e-6 * np.eye(len(theta))
    by_steps = [(density.logp_grad(theta + e)[0] - density.logp_grad(theta - e)[0]) for e in steps]
    np.testing.assert_allclose(slope, np.array(by_steps) / 2e-6, rtol=2e-5, atol=2e-5)


def test_a_model_with_disc_from_data_to_answers(rated):
    """One short fit, and questions that read disc."""
    fit = mb.fit(FORMULA, rated, family="sratio", draws=50, chains=2, seed=1, progress=False)
    effects = fit.idata["posterior"]["disc_fixef"]
    disc = np.exp(effects.sel(disc_term="arm[b]").to_numpy())
    new = pd.DataFrame({"x": [0.0], "arm": ["b"], "my judge": [0]})
    found = fit.predict(new, target="disc", groups="typical")
    assert found["mean"].iloc[0] == pytest.approx(disc.mean())
    table = fit.predict(new, kind="mean")
    assert table["mean"].sum() == pytest.approx(1)
    assert set(fit.parameters()["parameter"]) == {"thresholds"}
    with pytest.raises(ModelError, match="effects count times disc"):
        fit.fixef(exponentiate=True)
    means = fit.means("arm")
    assert len(means) == 8
    assert np.isfinite(fit.icc()["mean"]).all()


# ---- other packages ----------------------------------------------------------------------------


def marginal(link, thresholds, beta, sd):
    """Log likelihood of wine ratings, judges integrated out by Gauss-Hermite quadrature."""
    d = mb.load_data("wine")
    X = np.column_stack([d.temp == "warm", d.contact == "yes"]).astype(float)
    z, w = special.roots_hermitenorm(101)
    eta = X @ beta + sd * z[:, None]
    family = family_from_names("cumulative", link)
    rows = family.log_density(
        d.rating.cat.codes, eta, {"thresholds": np.tile(thresholds, (101, 1))}
    )
    judges = np.stack([rows[:, d.judge == j].sum(axis=1) for j in d.judge.cat.categories])
    return float(special.logsumexp(judges, axis=1, b=w / w.sum()).sum())


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_the_optimum_of_the_marginal_likelihood_is_clmms(link, reference):
    exact = reference(f"clmm_wine_{link}")["exact_ML"]
    at = np.array(exact["estimate"])

    def f(p):
        return marginal(link, p[:4], p[4:6], np.exp(p[6]))

    assert f(at) == pytest.approx(exact["logLik"], abs=1e-8)
    slopes = [(f(at + e) - f(at - e)) / 2e-4 for e in 1e-4 * np.eye(7)]
    np.testing.assert_allclose(slopes, 0, atol=1e-5)


@pytest.mark.slow
def test_the_posterior_of_wine_is_that_of_quasi_monte_carlo(reference):
    priors = {"thresholds": mb.Normal(0, 5), "fixef": mb.Normal(0, 2.5), "sd": mb.Exponential(1)}
    fit = mb.fit(
        "rating ~ temp + contact + (1 | judge)", mb.load_data("wine"), family="cumulative",
        priors=priors, seed=1, draws=2500, progress=False,
    )  # fmt: skip
    drawn = fit.idata["posterior"]
    parts = [drawn[name].to_numpy() for name in ("thresholds", "fixef", "sd_judge")]
    ours = np.moveaxis(np.concatenate(parts, axis=-1), -1, 0)
    theirs = {p["variable"]: p for p in reference("qmc_wine_cumulative_logit")["parameters"]}
    order = ["b_1|2", "b_2|3", "b_3|4", "b_4|5", "b_tempwarm", "b_contactyes", "sd_judge"]
    for x, name in zip(ours, order, strict=True):
        error = 4 * float(az.mcse(x)) + 0.01 * theirs[name]["sd"]
        assert x.mean() == pytest.approx(theirs[name]["mean"], abs=error)


@pytest.mark.slow
def test_a_posterior_of_stopping_ratios_is_that_of_the_rows_written_out():
    d = mb.load_data("wine")
    y = d.rating.cat.codes.to_numpy()
    reached = np.minimum(y, 3) + 1
    row, step = np.repeat(np.arange(72), reached), np.concatenate([np.arange(k) for k in reached])
    long = d.iloc[row].reset_index(drop=True).assign(step=pd.Categorical(step))
    long["goes"] = (step != y[row]).astype(int)
    priors, how = {"fixef": mb.Normal(0, 2.5), "sd": mb.Exponential(1)}, {"progress": False}
    right, how = "temp + contact + (1 | judge)", how | {"draws": 2500}
    own = {"thresholds": mb.Normal(0, 2.5), **priors}
    a = mb.fit(f"rating ~ {right}", d, family="sratio", priors=own, seed=1, **how)
    b = mb.fit(f"goes ~ 0 + step + {right}", long, family="bernoulli", priors=priors, seed=2, **how)
    a, b = a.idata["posterior"], b.idata["posterior"]
    ours = [-a["thresholds"].to_numpy(), a["fixef"].to_numpy(), a["sd_judge"].to_numpy()]
    theirs = [b["fixef"].to_numpy(), b["sd_judge"].to_numpy()]
    both = (np.moveaxis(np.concatenate(x, axis=-1), -1, 0) for x in (ours, theirs))
    for x, z in zip(*both, strict=True):
        error = np.hypot(float(az.mcse(x)), float(az.mcse(z)))
        assert x.mean() == pytest.approx(z.mean(), abs=4 * error + 0.01 * z.std())
