"""Priors out of all proportion to the data are named with what to do, before any sampling."""

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.errors import PriorError

FAMILIES = {
    "gaussian": ("y", "sigma"), "student_t": ("y", "sigma"), "lognormal": ("p", "sigma"),
    "gamma": ("p", "shape"), "beta": ("s", "phi"), "negative_binomial": ("k", "shape"),
    "poisson": ("k", None), "bernoulli": ("hit", None), "cumulative": ("grade", "thresholds"),
}  # fmt: skip
POSITIVE = [
    mb.Exponential(1e90), mb.HalfNormal(1e-90), mb.HalfCauchy(1e90), mb.HalfStudentT(3, 1e-30),
    mb.Uniform(1e-12, 2e-12), mb.Uniform(1e12, 2e12), mb.Gamma(1e90, 1e90),
    mb.InverseGamma(1e-90, 1e90),
]  # fmt: skip
REAL = [
    mb.Normal(0, 1e-90), mb.Normal(1e90, 1), mb.Normal(0, 1e90), mb.StudentT(1e-90, 0, 1),
    mb.Cauchy(0, 1e-50), mb.Uniform(1e10, 2e10), mb.Normal(-1e9, 1e-3),
]  # fmt: skip


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"x": rng.normal(size=96), "g": np.repeat(np.arange(12), 8)})
    d["y"] = 30 * (d.x + rng.normal(size=12)[d.g] + rng.normal(size=96))
    d["p"], d["s"] = np.exp(d.y / 30), 1 / (1 + np.exp(-d.y / 30))
    d["k"], d["hit"] = rng.poisson(3, 96), (d.y > 0).astype(int)
    return d.assign(grade=1 + pd.cut(d.y, 4).cat.codes.astype(int))


@pytest.mark.parametrize("family", FAMILIES)
def test_absurd_priors_of_every_class_are_named(data, family):
    response, own = FAMILIES[family]
    given = [({"sd": p}, "sd_g") for p in POSITIVE] + [({"fixef": p}, "fixef") for p in REAL]
    if family != "cumulative":
        given += [({"Intercept": p}, "Intercept") for p in REAL]
    if own is not None:
        given += [({own: p}, own) for p in (REAL if own == "thresholds" else POSITIVE)]
    for priors, name in given:
        (prior,) = priors.values()
        with pytest.raises(PriorError) as raised:
            mb.Model(f"{response} ~ x + (x | g)", data, family=family, priors=priors)
        said = str(raised.value)
        assert said.startswith(name), (priors, said)
        assert f"the prior {prior} is out of proportion to the data" in said
        assert "widen it" in said or "choose one nearer" in said


def test_of_a_parameter_with_a_formula_too(data):
    priors = {"sigma": {"fixef": mb.Normal(0, 1e-50)}}
    with pytest.raises(PriorError, match=r"sigma_fixef\[x\]: the prior Normal\(0, 1e-50\)"):
        mb.Model(["y ~ x + (1 | g)", "sigma ~ x"], data, priors=priors)


def test_the_scale_is_that_of_the_data(data):
    """The remedies: other units, or a prior within them."""
    tiny = data.assign(y=data.y * 1e-9)
    with pytest.raises(PriorError, match=r"sigma: .* by the scale of the data it would be"):
        mb.Model("y ~ x + (x | g)", data, priors={"sigma": mb.HalfNormal(1e-9)})
    mb.Model("y ~ x + (x | g)", tiny, priors={"sigma": mb.HalfNormal(1e-9)})
    mb.Model("y ~ x + (x | g)", data, priors={"sigma": mb.HalfNormal(30)})


@pytest.mark.parametrize(
    "priors",
    [
        {"fixef": mb.Normal(0, 1e-6), "sd": mb.HalfNormal(0.01)},
        {"sigma": mb.Uniform(1 - 1e-6, 1 + 1e-6)},
        {"fixef": mb.Flat(), "Intercept": mb.Normal(0, 1e6), "sd": mb.HalfCauchy(1e5)},
        {"sigma": mb.Gamma(0.001, 0.001), "sd": mb.InverseGamma(0.001, 0.001)},
        {"sigma": mb.HalfCauchy(3e7), "sd": mb.Uniform(0, 1e8), "Intercept": mb.Normal(0, 1e10)},
        {"fixef": mb.Normal(0, 1e10), "sd": mb.Gamma(0.01, 0.01)},
        {"sigma": mb.Uniform(1, 1e6), "cor": mb.LKJ(1e7), "fixef": mb.StudentT(3, 1000, 1)},
    ],
)
def test_strong_and_vague_priors_stand(data, priors):
    model = mb.Model("y ~ x + (x | g)", data, priors=priors)
    given = {a.prior for _, _, a in model.spec.priors.rows() if a.given}
    assert given == set(priors.values())


@pytest.mark.parametrize("level", [1e6, -3e7])
def test_a_prior_where_far_away_data_are_is_taken(level):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": level + rng.normal(size=40), "g": np.arange(40) % 8})
    model = mb.Model("y ~ 1 + (1 | g)", data, priors={"Intercept": mb.Normal(level, 5)})
    assert model.spec.priors.mu.intercept.prior == mb.Normal(level, 5)
