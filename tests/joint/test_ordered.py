"""Thresholds: their coordinates, and the compiled density beside PyMC's and SciPy's."""

import numpy as np
import pytest
from scipy import special, stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.joint.data import compiled_of
from mixedbayes.joint.loop import loop_of
from mixedbayes.joint.ordered import increasing, order_slopes, put_in_order, unordered


def test_increasing_numbers_and_back():
    x = np.array([-2.0, -1.5, 0.25, 3.0])
    np.testing.assert_allclose(increasing(unordered(x)), x, rtol=1e-14)
    t = unordered(x)
    np.testing.assert_allclose(increasing(np.stack([t, t + 1]))[0], x, rtol=1e-14)
    filled = np.empty(4)
    log_slope = put_in_order(t, filled)
    np.testing.assert_allclose(filled, x, rtol=1e-14)
    h, steps = 1e-6, 1e-6 * np.eye(4)
    jacobian = np.array([(increasing(t + e) - increasing(t - e)) / (2 * h) for e in steps])
    assert log_slope == pytest.approx(np.linalg.slogdet(jacobian)[1], rel=1e-8)


def test_slopes_of_a_density_in_the_coordinates():
    def log_density(t):
        x = increasing(t)
        return float(np.sum(-0.5 * (x - 1) ** 2) + t[1:].sum())

    t, h = np.array([0.3, -0.5, 0.2]), 1e-6
    d = -(increasing(t) - 1)
    order_slopes(t, d)
    found = [(log_density(t + e) - log_density(t - e)) / (2 * h) for e in h * np.eye(3)]
    np.testing.assert_allclose(d, found, rtol=1e-7)


@pytest.mark.parametrize(("link", "F"), [(mb.Logit(), stats.logistic), (mb.Probit(), stats.norm)])
@pytest.mark.parametrize("location", [-40.0, -9.0, -1.0, 0.0, 2.5, 9.0, 40.0])
def test_categories_far_from_the_location_keep_their_digits(link, F, location):
    """log(F(b) - F(a)) from the tail in which both are small, by SciPy; and its slope."""
    cuts, eta = np.array([-1.0, 0.5, 0.5 + 1e-3]), np.full(4, location)
    y, one = np.arange(4.0), np.ones(4)
    loop = loop_of(*compiled_of(mb.Cumulative(link=link)), 0)
    for k in range(4):
        slope, d_cuts = np.empty(1), np.zeros(3)
        found = loop(0, eta[:1], y[k : k + 1], one[:1], one[:1], cuts, slope, d_cuts)
        low, high = (np.r_[-np.inf, cuts, np.inf][k + i] - location for i in (0, 1))
        if low > 0:
            low, high = -high, -low
        log_b, log_a = F.logcdf(high), F.logcdf(low)
        expected = log_b + np.log1p(-np.exp(log_a - log_b))
        assert found == pytest.approx(expected, rel=1e-9)
        # moving the location moves all thresholds the other way
        assert slope[0] == pytest.approx(-d_cuts.sum(), rel=1e-7)


@pytest.mark.parametrize("link", [mb.Logit(), mb.Probit()], ids=lambda link: link.name)
@pytest.mark.parametrize("given", [False, True], ids=["at the means", "at zero"])
def test_density_is_that_of_the_model_in_pymc(link, given, joint):
    """At the same parameters, but for the 3! orders of the draws behind three thresholds."""
    priors = {"thresholds": mb.Normal(1, 2)} if given else None
    model = joint.make(mb.Cumulative(link=link), "slopes", priors=priors, formulation=mb.Centered())
    density = joint.density_of(model)
    layout, plain = density.layout, density.coordinates
    logp = model.pymc.compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng = np.random.default_rng(6)
    for _ in range(2):
        theta = 0.4 * rng.normal(size=layout.ndim)
        x = {k: v[0] for k, v in layout.named(theta[None], plain).items()}
        sd, cor, b = joint.placed(x, "g", model.spec.priors.mu)
        r = cor[0, 1]
        cuts = x["thresholds"] if given else x["thresholds"] - x["fixef"] @ layout.centre.means
        values = {
            "fixef": x["fixef"],
            f"{names.at_means(names.sd('g'))}_log__": np.log(sd),
            f"partial_{names.cor('g')}_logodds__": np.array([np.log1p(r) - np.log1p(-r)]),
            names.at_means(names.ranef("g")): b,
            f"thresholds{'' if given else '_at_means'}_ordered__": unordered(cuts),
        }
        s = np.diag(np.linalg.cholesky(cor * np.outer(sd, sd)))
        jacobian = (
            np.log(sd).sum()
            + np.log1p(-(r**2)) - np.log(2)  # PyMC's coordinate is (r + 1) / 2
            + len(b) * np.log(s).sum()
            + np.log(np.diff(cuts)).sum()
        )  # fmt: skip
        expected = float(logp(values)) + jacobian + special.gammaln(4)
        # PyMC normalises probabilities that have the sum 1 already
        assert density.logp_grad(theta)[0] == pytest.approx(expected, rel=1e-8)
