"""Targets other than the mean, and averages over groups, against simulation and brute force."""

import numpy as np
import pandas as pd
import pytest
from family_values import needs_trials
from hand_made import hand_made
from scipy import stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands.means import comparisons, means, slopes
from mixedbayes.families.registry import FAMILIES
from mixedbayes.predict.predict import predict
from mixedbayes.predict.target import At, Quantile
from mixedbayes.predict.target_text import parse_target

N = 60_000
PARAMETERS = {
    "sigma": 0.7, "nu": 5.0, "shape": 2.5, "phi": 4.0, "thresholds": np.array([-1.0, 0.4, 1.2]),
    "zi": 0.2, "hu": 0.3, "disc": 1.3, "alpha": -2.0, "beta": 1.2, "quantile": 0.3, "ndt": 0.4,
    "kappa": 1.5, "mu_3": 0.6, "zoi": 0.3, "coi": 0.4, "cutzero": -1.0, "gap": 2.0,
}  # fmt: skip
MEANS = {
    "bernoulli": 0.3, "binomial": 0.3, "beta": 0.4, "lognormal": 0.5, "cumulative": 0.3,
    "zero_one_inflated_beta": 0.4, "ordered_beta": 0.4, "von_mises": 0.5,
}  # fmt: skip


def mean_of(name):
    return MEANS.get(name, 0.3 if FAMILIES[name].probability else 2.0)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_distribution_function_is_that_of_simulated_responses(name):
    family = FAMILIES[name]()
    rng = np.random.default_rng(0)
    mu = np.full((1, N), mean_of(name))
    parameters = {p: np.asarray(PARAMETERS[p])[None] for p in family.parameters}
    options = {"trials": np.full(N, 7)} if needs_trials(family) else {}
    y = np.sort(family.simulate(mu, parameters, rng, **options)[0])
    one = {"trials": np.array([7])} if options else {}
    places = np.unique(np.quantile(y, [0.05, 0.3, 0.5, 0.8, 0.97]))
    for place in [y[0] - 1, *places, y[-1] + 1]:
        found = family.cdf(place, mu[:, :1], parameters, **one)
        share = np.searchsorted(y, place, side="right") / N
        assert found.shape == (1, 1)
        assert found[0, 0] == pytest.approx(share, abs=5 * np.sqrt(0.25 / N))
    between = family.cdf(places[:, None], np.repeat(mu[:, :1], len(places), 0), {
        p: np.repeat(v, len(places), 0) for p, v in parameters.items()
    }, **one)  # fmt: skip
    single = [family.cdf(p, mu[:, :1], parameters, **one)[0, 0] for p in places]
    np.testing.assert_allclose(between[:, 0], single)


def data(n=40):
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {"x": rng.normal(size=n), "g": np.arange(n) % 8, "y": rng.normal(size=n)}
    ).assign(
        k=lambda d: rng.poisson(2, n), b=lambda d: (d.y > 0).astype(int),
        o=lambda d: pd.cut(d.y, [-9, -0.5, 0.5, 9], labels=["low", "mid", "high"]),
    )  # fmt: skip


GIVEN = {
    names.INTERCEPT: 0.4, names.FIXEF: 0.8, names.SIGMA: 0.9, names.sd("g"): [0.9],
    "thresholds": [-0.6, 0.9], "shape": 1.5,
}  # fmt: skip


def model(formula, family, **more):
    given = {k: np.asarray(v, float) for k, v in (GIVEN | more).items()}
    return hand_made(formula, data(), family, 3, np.random.default_rng(4), given=given)


CASES = {
    "logit": ("b ~ x + (1 | g)", "bernoulli", "mean"),
    "probit": ("b ~ x + (1 | g)", mb.Bernoulli(mb.Probit()), "mean"),
    "cloglog": ("b ~ x + (1 | g)", mb.Bernoulli(mb.Cloglog()), "mean"),
    "log": ("k ~ x + (1 | g)", "poisson", "mean"),
    "categories": ("o ~ x + (1 | g)", "cumulative", "mean"),
    "exceedance": ("y ~ x + (1 | g)", "gaussian", "P(y > 1.5)"),
    "count": ("k ~ x + (1 | g)", "negative_binomial", "P(k >= 3)"),
    "category": ("o ~ x + (1 | g)", "cumulative", "P(o = mid)"),
    "sigma": (["y ~ x + (1 | g)", "sigma ~ x + (1 | g)"], "gaussian", "sigma"),
    "through sigma": (["y ~ x + (1 | g)", "sigma ~ x + (1 | g)"], "gaussian", "P(y > 1.5)"),
    "quantile": (["y ~ x + (1 | g)", "sigma ~ x + (1 | g)"], "gaussian", "quantile(0.9)"),
    "median count": ("k ~ x + (1 | g)", "poisson", "median"),
}


@pytest.mark.parametrize("case", CASES)
def test_averages_over_groups_are_brute_force_s(case):
    """Against 400,000 groups, each with effects of its own on every parameter."""
    formula, family, target = CASES[case]
    extra = {"sigma_Intercept": -0.3, "sigma_fixef": 0.2, "sd_sigma_g": [0.6]}
    post = model(formula, family, **extra)
    x = 0.7
    found = means(post, at={"x": [x]}, target=target).sampled[:, 0]
    rng, n, own = np.random.default_rng(5), 400_000, post.family
    eta = (0.0 if case in ("categories", "category") else 0.4) + 0.8 * x + rng.normal(0, 0.9, n)
    sigma = np.full(n, 0.9)
    if len(formula) == 2:
        sigma = np.exp(-0.3 + 0.2 * x + rng.normal(0, 0.6, n))
    parameters = {"sigma": sigma[:, None], "shape": np.full(n, 1.5),
                  "thresholds": np.tile([-0.6, 0.9], (n, 1))}  # fmt: skip
    mu = own.inverse(eta, np)[:, None]
    if target == "mean":
        each = own.probabilities(mu, parameters)[:, 0] if case == "categories" else mu
    elif target == "sigma":
        each = sigma
    elif "quantile" in target or target == "median":
        y = own.simulate(mu, parameters, rng)[:, 0]
        p = 0.9 if "quantile" in target else 0.5
        expected = np.quantile(y, p, method="inverted_cdf")
        assert found[0] == pytest.approx(expected, abs=0 if own.discrete else 0.02)
        return
    else:
        y = own.simulate(mu, parameters, rng)[:, 0]
        each = {"P(y > 1.5)": y > 1.5, "P(k >= 3)": y >= 3, "P(o = mid)": y == 1}[target]
    each = np.atleast_2d(np.asarray(each, float).T)
    error = each.std(axis=1) / np.sqrt(n)
    assert np.all(np.abs(found - each.mean(axis=1)) < 5 * error + 1e-9)


def test_a_target_without_groups_is_a_function_of_the_row():
    post = model("y ~ x + (1 | g)", "gaussian")
    new = pd.DataFrame({"x": [0.0, 1.0]})
    eta = 0.4 + 0.8 * new["x"]
    for target, expected in {
        "sigma": [0.9, 0.9],
        "P(y > 1)": stats.norm.sf(1, eta, 0.9),
        "P(y <= 1)": stats.norm.cdf(1, eta, 0.9),
        "quantile(0.25)": stats.norm.ppf(0.25, eta, 0.9),
        "median": eta,
        "linear": eta,
    }.items():
        found = predict(post, new, groups="typical", target=target)
        np.testing.assert_allclose(found["mean"], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("p", [0.001, 0.2, 0.9, 0.9999])
@pytest.mark.parametrize(
    "name", [n for n, f in FAMILIES.items() if not (f.probability or f.unordered or f().thresholds)]
)
def test_quantiles_invert_the_distribution_function(name, p):
    family = FAMILIES[name]()
    rng = np.random.default_rng(1)
    mu = mean_of(name) * rng.uniform(0.5, 1.5, (4, 3))
    parameters = {n: np.full(4, PARAMETERS[n]) for n in family.parameters}
    trials = np.array([3, 7, 900]) if needs_trials(family) else None

    at = At(family, parameters, None, trials)
    eta = mu if name == "lognormal" else family.link.link(mu, np)
    found = Quantile(p).value(eta, at)
    below = at.cdf(found, eta)
    if family.discrete:
        assert np.all(below >= p)
        assert np.all(at.cdf(found - 1, eta) < p)
    else:
        atom = np.isin(found, family.atoms)
        np.testing.assert_allclose(below[~atom], p, rtol=1e-6)
        assert np.all(below[atom] >= p)
        assert np.all(at.cdf(np.nextafter(found, -np.inf), eta)[atom] < p)


def test_probabilities_of_categories_and_labels():
    post = model("o ~ x + (1 | g)", "cumulative")
    each = means(post, "x")
    assert list(each["category"].cat.categories) == ["low", "mid", "high"]
    np.testing.assert_allclose(each.sampled.reshape(-1, 3, 3).sum(axis=1), 1)
    at_least = means(post, "x", target="P(o >= mid)").sampled
    np.testing.assert_allclose(at_least, each.sampled.reshape(-1, 3, 3)[:, 1:].sum(axis=1))
    options = {"how": "odds_ratio", "groups": "typical"}
    odds = comparisons(post, {"x": (0, 1)}, target="P(o > low)", **options)
    np.testing.assert_allclose(odds.sampled, np.exp(0.8), rtol=1e-9)
    with pytest.raises(ModelError, match="no category"):
        means(post, target="P(o > best)")
    with pytest.raises(ModelError, match="no quantiles"):
        means(post, target="median")
    # Whole numbers as categories are named by themselves, not by their codes.
    scored = data().assign(o=lambda d: d.o.cat.codes * 10 + 10)
    post = hand_made("o ~ x", scored, "cumulative", 3, np.random.default_rng(4))
    whole = means(post, target="P(o > 10)").sampled
    np.testing.assert_allclose(whole, means(post).sampled[1:].sum(axis=0)[None])


def test_a_target_needs_what_its_distribution_needs():
    counts = data().assign(n=9, s=lambda d: d.k)
    post = hand_made("s | trials(n) ~ x", counts, "binomial", 3, np.random.default_rng(0))
    new = pd.DataFrame({"x": [0.0]})
    with pytest.raises(DataError, match=r"trials\(n\)"):
        predict(post, new, target="P(s > 3)")
    found = predict(post, new.assign(n=9), target="P(s > 3)")["mean"]
    p = predict(post, new, kind="mean", draws=True).to_numpy()
    np.testing.assert_allclose(found, stats.binom.sf(3, 9, p).mean())
    with pytest.raises(ModelError, match="not both"):
        predict(post, new, kind="mean", target="P(s > 3)")
    with pytest.raises(ModelError, match="continuous"):
        parse_target("P(y = 1)", model("y ~ x", "gaussian").design, mb.families.Gaussian())


@pytest.mark.parametrize(("sd", "sigma"), [(0.5, 0.01), (3.0, 1e-3), (50.0, 10.0), (0.1, 5.0)])
def test_probabilities_over_groups_are_right_however_narrow_a_group_is(sd, sigma):
    """Whatever the unit: y ~ N(0.4, sd^2 + sigma^2)."""
    more = {names.FIXEF: 0.0, names.SIGMA: sigma, names.sd("g"): [sd]}
    post = model("y ~ x + (1 | g)", "gaussian", **more)
    whole = stats.norm(0.4, np.hypot(sd, sigma))
    for c in (0.4, 0.4 + sd, 0.4 - 3 * sd):
        found = means(post, target=f"P(y > {c})").sampled[0]
        np.testing.assert_allclose(found, whole.sf(c), rtol=1e-9)
    np.testing.assert_allclose(
        means(post, target="quantile(0.9)").sampled[0], whole.ppf(0.9), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("family", "more"),
    [("lognormal", {"sigma": 0.02}), ("gamma", {"shape": 2000.0}), ("poisson", {}),
     ("student_t", {"sigma": 0.02, "nu": 3.0}), ("binomial", {})],
)  # fmt: skip
def test_narrow_groups_of_other_families(family, more):
    counts = data().assign(y=lambda d: np.exp(d.y), n=4000, s=lambda d: d.k)
    response = {"binomial": "s | trials(n)", "poisson": "k"}.get(family, "y")
    given = {names.INTERCEPT: 1.0, names.sd("g"): [0.5]} | more
    post = hand_made(f"{response} ~ 1 + (1 | g)", counts, family, 3, np.random.default_rng(0),
                     given={k: np.asarray(v, float) for k, v in given.items()})  # fmt: skip
    own, rng, n = post.family, np.random.default_rng(6), 400_000
    mu = own.inverse(1.0 + 0.5 * rng.normal(size=n), np)[:, None]
    trials = np.array([4000]) if family == "binomial" else None
    y = own.simulate(mu, {k: np.full(n, v) for k, v in more.items()}, rng, trials=trials)[:, 0]
    c = float(np.floor(np.quantile(y, 0.7))) if own.discrete else float(np.quantile(y, 0.7))
    name = post.design.response
    found = means(post, target=f"P({name} > {c!r})").sampled[0, 0]
    assert found == pytest.approx((y > c).mean(), abs=5 * np.sqrt(0.25 / n))


def test_y_is_the_response_only_where_no_column_is_called_so():
    positive = data().assign(y=lambda d: np.exp(d.y))
    post = hand_made("log(y) ~ x", positive, "gaussian", 3, np.random.default_rng(0))
    with pytest.raises(ModelError, match=r"as the formula has it, log\(y\)"):
        means(post, target="P(y > 1)")
    said = means(post, target="P(log(y) > 0)")
    np.testing.assert_allclose(said.sampled, means(post, target="P(log(y) >= 0)").sampled)
    other = hand_made("k ~ x", data(), "poisson", 3, np.random.default_rng(0))
    np.testing.assert_allclose(
        means(other, target="P(y > 1)").sampled, means(other, target="P(k > 1)").sampled
    )
    with pytest.raises(ModelError, match="whole steps"):
        slopes(other, "x", target="quantile(.9)")


def test_numbers_of_truncated_responses_say_of_which_distribution_they_are():
    cut = data().assign(y=lambda d: d.y.abs() + 1.5)
    said = "Of y before truncation, trunc(lower=1.5)."
    options = {"draws": 3, "rng": np.random.default_rng(0)}
    post = hand_made("y | trunc(lower=1.5) ~ x + (1 | g)", cut, "gaussian", **options)
    new = pd.DataFrame({"x": [0.0], "g": [1]})
    for target in ("mean", "P(y < 1.5)", "quantile(0.1)", "median"):
        assert predict(post, new, groups="typical", target=target).attrs["note"] == said
        assert predict(post, new, target=target, draws=True).attrs["note"] == said
        assert means(post, at={"x": [0]}, target=target).note == said
    assert means(post, "x").contrast().note == said
    assert comparisons(post, "x").note == slopes(post, "x").note == said
    assert said in str(means(post, at={"x": [0]}, target="P(y < 1.5)"))
    for target in ("linear", "sigma"):
        assert "note" not in predict(post, new, target=target).attrs
        assert means(post, at={"x": [0]}, target=target).note == ""
    known = hand_made("y ~ x + (1 | g)", cut, "gaussian", **options)
    assert means(known, "x").note == ""


def test_the_mean_above_zero_with_effects_on_two_parameters(monkeypatch):
    """E[y] = exp(eta + sd^2 / 2) over P(y > 0) of 400,000 groups; E[y] does not read the shape."""
    sd, cor = np.array([0.7, 0.6]), np.array([[1, 0.5], [0.5, 1]])
    given = {
        "Intercept": 0.4, "fixef": 0.3, "sd_g": [sd[0]], "shape_Intercept": 0.5,
        "sd_shape_g": [sd[1]], "cor_g": cor,
    }  # fmt: skip
    formulas = ["k ~ x + (1 |p| g)", "shape ~ 1 + (1 |p| g)"]
    post = hand_made(
        formulas, data(), "negative_binomial", 3, np.random.default_rng(0),
        {k: np.asarray(v) for k, v in given.items()},
    )  # fmt: skip
    count, calls = type(post.family).log_density, []
    monkeypatch.setattr(
        type(post.family), "log_density", lambda *a, **k: calls.append(1) or count(*a, **k)
    )
    found = means(post, at={"x": [0.5]}, target="positive mean").sampled
    assert len(calls) <= 1100
    b = np.random.default_rng(1).multivariate_normal(np.zeros(2), sd[:, None] * cor * sd, 400_000)
    eta, shape = 0.55 + b[:, 0], np.exp(0.5 + b[:, 1])
    some = 1 - (1 + np.exp(eta) / shape) ** -shape
    expected = np.exp(0.55 + sd[0] ** 2 / 2) / some.mean()
    assert found == pytest.approx(expected, rel=5 * some.std() / some.mean() / np.sqrt(len(b)))
