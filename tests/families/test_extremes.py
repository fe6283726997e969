"""Numbers beyond what can be computed with, and responses without a residual: said, not crashed."""

import re

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import DataError, PriorError
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.scoring import Scoring
from mixedbayes.joint.search import start

J, N = 12, 96
FAMILIES = ("gaussian", "student_t", "lognormal", "gamma", "beta")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"g": np.repeat(np.arange(J), N // J), "x": rng.normal(size=N)})
    d["h"] = np.arange(N) % 5
    d["level"] = rng.normal(size=J)[d.g]
    d["line"] = 2 + d.level + (1 + rng.normal(size=J)[d.g]) * d.x
    d["crossed"] = d.level + rng.normal(size=5)[d.h] + 0.3 * d.x
    d["noise"] = rng.normal(size=N)
    return d


def to_family(family, eta):
    """Responses whose value on the link scale is eta."""
    return {
        "lognormal": np.exp, "gamma": np.exp, "beta": lambda e: 1 / (1 + np.exp(-e))
    }.get(family, lambda e: e)(eta)  # fmt: skip


EXACT = {
    "y ~ 1 + (1 | g)": "level",
    "y ~ x + (1 | g)": "level",
    "y ~ x + (1 | h) + (1 | g)": "level",
    "y ~ x + (x | g)": "line",
    "y ~ x + (1 | g) + (1 | h)": "crossed",
}


@pytest.mark.parametrize("noise", [0.0, 1e-13, 1e-9])
@pytest.mark.parametrize("formula", EXACT)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_response_without_a_residual_is_refused(rows, family, formula, noise):
    column = EXACT[formula]
    y = to_family(family, rows[column] + noise * rows.noise)
    fact = "within a level of g" if column == "level" else "y is given"
    with pytest.raises(DataError, match=fact):
        mb.Model(formula, rows.assign(y=y), family=family)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_small_residual_is_one(rows, family):
    y = to_family(family, rows.level + 1e-4 * rows.noise)
    mb.Model("y ~ x + (1 | g)", rows.assign(y=y), family=family)
    if family == "gaussian":
        mb.Model("y ~ x + (1 | g)", rows.assign(y=rows.level + 1e-6 * rows.noise))


def test_a_residual_in_late_rows_is_seen():
    n = 6000
    d = pd.DataFrame({"g": np.arange(n) // 10, "y": (np.arange(n) // 10) % 7.0})
    with pytest.raises(DataError, match=r"y never changes within a level of g \(600 levels"):
        mb.Model("y ~ 1 + (1 | g)", d)
    mb.Model("y ~ 1 + (1 | g)", d.assign(y=d.y + 0.1 * (d.index > 5900) * (d.index % 2)))


def test_near_copies_of_columns_and_columns_far_from_zero_hide_no_residual():
    """Ill-conditioned columns took least squares many seconds, and then left what is none."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(700, 20))
    X[:, 10:] = X[:, :10] + 1e-5 * X[:, 10:]
    X[:, 3] += 1e7
    d = pd.DataFrame(X, columns=[f"x{k}" for k in range(20)]).assign(g=np.arange(700) % 9)
    formula = f"y ~ {' + '.join(d.columns[:20])} + (1 | g)"
    exact = X[:, 0] - 2 * X[:, 12] + d.g % 4
    with pytest.raises(DataError, match=r"y is given .*21 terms, 700 rows"):
        mb.Model(formula, d.assign(y=exact))
    mb.Model(formula, d.assign(y=exact + 1e-4 * rng.normal(size=700)))


def test_effects_for_every_row_are_no_proof(rows):
    """With as many effects as rows nothing is ever left."""
    mb.Model("y ~ x + (1 | g)", rows.assign(y=np.exp(rows.noise), g=np.arange(N)), family="gamma")


def test_the_remedies_work(rows):
    d = rows.assign(y=rows.level)
    with pytest.raises(DataError) as refused:
        mb.Model("y ~ x + (1 | g)", d)
    limits = re.search(r"priors=\{'sigma': mb.Uniform\((.*), (.*)\)\}", str(refused.value))
    low, high = map(float, limits.groups())
    settings = {"draws": 200, "chains": 2, "seed": 1, "progress": False}
    fit = mb.fit("y ~ x + (1 | g)", d, priors={"sigma": mb.Uniform(low, high)}, **settings)
    assert fit.fixef()["rhat"].max() < 1.1
    mb.Model("y ~ x", d.groupby("g").first())


@pytest.mark.parametrize("size", [1e300, 1e-200])
def test_a_column_beyond_all_scales_is_named(rows, size):
    d = rows.assign(y=rows.noise, z=size * rows.x, big=size * rows.noise, p=np.exp(rows.noise))
    for formula in ("y ~ z + (1 | g)", "y ~ x + (0 + z | g)"):
        with pytest.raises(DataError, match=r"z.* has values of size .*rescale the column"):
            mb.Model(formula, d)
        with pytest.raises(DataError, match=r"z.* has values of size .*rescale the column"):
            mb.Model(formula.replace("y", "k"), d.assign(k=d.h > 2), family="bernoulli")
    for family in ("gaussian", "student_t"):
        with pytest.raises(DataError, match="response 'big' has values of size"):
            mb.Model("big ~ x + (1 | g)", d, family=family)
    with pytest.raises(DataError, match="response 'p' has values of size"):
        mb.Model("p ~ x + (1 | g)", d.assign(p=d.p * size), family="gamma")
    mb.Model("p ~ x + (1 | g)", d.assign(p=d.p * size), family="lognormal")


@pytest.mark.parametrize("family", ["poisson", "negative_binomial", "bernoulli", "gamma"])
def test_offsets_that_differ_beyond_all_means_are_named(rows, family):
    rng = np.random.default_rng(2)
    d = rows.assign(o=rng.choice([-1e3, 1e3], N), k=rng.integers(0, 2, N), p=np.exp(rows.noise))
    response = "p" if family == "gamma" else "k"
    with pytest.raises(DataError, match="the offset goes from -1000 to 1000"):
        mb.Model(f"{response} ~ x + offset(o) + (1 | g)", d, family=family)
    model = mb.Model(f"{response} ~ x + offset(o) + (1 | g)", d.assign(o=1e3), family=family)
    density = JointDensity.of(model.design, model.family, model.spec.priors)
    assert np.isfinite(Scoring(density).conditional(start(density.layout)).log_evidence)


def test_priors_beyond_all_scales_say_so():
    for make in (
        lambda: mb.Normal(0, 1e300),
        lambda: mb.Normal(0, 1e-300),
        lambda: mb.Normal(1e300, 1),
        lambda: mb.Exponential(1e-300),
    ):
        with pytest.raises(PriorError, match="beyond what can be computed with"):
            make()
    with pytest.raises(PriorError, match=r"LKJ: eta = 1e\+300 .*\|\|"):
        mb.LKJ(1e300)


@pytest.mark.parametrize(
    ("family", "size"),
    [("poisson", 1e10), ("poisson", 5e11), ("negative_binomial", 1e10)],
)
def test_large_counts_have_a_starting_point_at_their_mean(rows, family, size):
    rng = np.random.default_rng(3)
    spread = rng.gamma(1e3, 1e-3, N) if family == "negative_binomial" else 1.0
    d = rows.assign(y=np.round(size * np.exp(0.1 * rows.x) * spread))
    model = mb.Model("y ~ x + (1 | g)", d, family=family)
    density = JointDensity.of(model.design, model.family, model.spec.priors)
    level, slope = Scoring(density).conditional(start(density.layout)).effects[-2:]
    off = 0.1 if family == "negative_binomial" else 1e-3  # groups and prior aside
    assert level == pytest.approx(np.log(size) + 0.1 * rows.x.mean(), abs=off)
    assert slope == pytest.approx(0.1, abs=off)


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_counts_beyond_all_digits_have_another_family(rows, family):
    d = rows.assign(y=np.round(1e14 * np.exp(rows.noise)))
    with pytest.raises(DataError, match=r"counts up to .* family='gamma'"):
        mb.Model("y ~ x + (1 | g)", d, family=family)
    mb.Model("y ~ x + (1 | g)", d, family="gamma")


@pytest.mark.parametrize("of", ["sigma", "sd"])
def test_a_prior_too_narrow_for_the_curvature_is_an_error_in_words(rows, of):
    d = rows.assign(y=rows.line + rows.noise)
    with pytest.raises(mb.MixedBayesError, match=r"out of proportion to the data"):
        mb.fit("y ~ x + (x | g)", d, priors={of: mb.HalfNormal(1e-40)}, seed=1, progress=False)
