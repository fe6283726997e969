"""Models of every compiled family over one, nested and crossed factors, and their log density."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.joint.density import JointDensity
from mixedbayes.theta.logpriors import LOG

RESPONSES = {
    "bernoulli": "y",
    "binomial": "y | trials(n)",
    "poisson": "y",
    "negative_binomial": "y",
    "gaussian": "y",
    "student_t": "y",
    "lognormal": "y",
    "gamma": "y",
    "beta": "y",
    "cumulative": "y",
}
GROUPS = {
    "none": "",
    "slopes": " + (x | g)",
    "separate slopes": " + (x || g)",
    "nested": " + (x | g/h)",
    "crossed": " + (1 | g) + (x | k)",
}


def data(family, n=60):
    """Rows with factors g, h within g, and k crossed; y drawn in the family's support."""
    rng = np.random.default_rng(5)
    g = np.arange(n) % 6
    h, k = np.arange(n) % 3, rng.integers(0, 4, n)
    trials = rng.integers(1, 9, n)
    eta = 0.4 + rng.normal(0, 0.5, 6)[g]
    y = {
        "bernoulli": rng.uniform(size=n) < 0.6,
        "binomial": rng.binomial(trials, 0.4),
        "poisson": rng.poisson(np.exp(eta)),
        "negative_binomial": rng.poisson(np.exp(eta) * rng.gamma(2, 0.5, n)),
        "beta": rng.beta(2, 3, n),
        "gamma": rng.gamma(3, np.exp(eta) / 3),
        "lognormal": np.exp(rng.normal(eta, 0.5)),
        "cumulative": rng.integers(0, 4, n),
    }.get(family, rng.normal(eta, 1))
    frame = pd.DataFrame({"y": y, "n": trials, "x": rng.normal(1, 1, n).round(1)})
    frame["w"], frame["t"] = rng.integers(1, 4, n).astype(float), rng.uniform(1, 2, n)
    return frame.assign(g=g.astype(str), h=h.astype(str), k=k.astype(str))


def make(family="poisson", groups="slopes", *, response=None, offset=False, **given):
    """A model; the weights' and the offset's columns are w and log(t)."""
    left = response or RESPONSES[getattr(family, "name", family)]
    formula = f"{left} ~ x{' + offset(log(t))' if offset else ''}{GROUPS[groups]}"
    return mb.Model(formula, data(getattr(family, "name", family)), family=family, **given)


def density_of(model):
    return JointDensity.of(model.design, model.family, model.spec.priors)


def placed(named, group, priors):
    """sds, correlations and effects that a factor's priors are about."""
    sd, cor, ranef = (f(group, priors.parameter) for f in (names.sd, names.cor, names.ranef))
    b = named[ranef]
    if group not in priors.placed:
        return named[sd], named.get(cor, np.eye(b.shape[1])), b
    back = np.linalg.inv(priors.placed[group].T)
    return named[names.at_means(sd)], named[names.at_means(cor)], b @ back.T


def by_hand(model, layout, theta, coordinates):
    """Log density of theta (d,): priors, effects and rows, with SciPy and the families' own."""
    design, priors = model.design, model.spec.priors
    phi = coordinates.tails.phi(theta[: layout.n_hyper])
    total = float(coordinates.tails.log_slope(theta[: layout.n_hyper]))
    named = {k: v[0] for k, v in layout.named(theta[None], coordinates).items()}
    logs = layout.table.codes[: layout.n_hyper, 1] == LOG
    total += phi[logs].sum()  # d sd / d log sd = sd
    sds = layout.hyper(phi)[0]
    for k, g in enumerate(layout.groups):
        information = coordinates.known(k, sds)[0]
        sd, cor, b = placed(named, g.name, priors.mu)
        total += sum(a.prior.logpdf(s) for a, s in zip(priors.mu.sd[g.name], sd, strict=True))
        if g.correlated:
            r = cor[0, 1]
            total += float(priors.mu.cor[g.name].prior.logpdf(cor)) + np.log(
                1 - r**2
            )  # dr/dt, r = tanh
        cov = cor * np.outer(sd, sd)
        total += stats.multivariate_normal(cov=cov).logpdf(b).sum()
        # b = S u and x = U' u + ..., so that |db / dx| = |S| / |U|
        S = np.linalg.cholesky(cov)
        P = np.eye(len(sd)) + S.T @ information @ S
        total += float(len(b) * np.linalg.slogdet(S)[1] - np.linalg.slogdet(P)[1].sum() / 2)
    shift = named["fixef"] @ layout.centre.means
    for name, a in priors.parameters.items():
        if name == "thresholds":
            cuts = named[name] if a.given else named[name] - shift
            gaps = np.diff(cuts)  # of m independent draws in any order; d gap / d log gap = gap
            total += float(np.sum(a.prior.logpdf(cuts)) + np.log(gaps).sum())
            total += special.gammaln(len(cuts) + 1)
        else:
            total += float(a.prior.logpdf(named[name]))
    intercept = 0.0
    if design.mu.intercept:
        intercept = named["Intercept"]
        at = intercept + shift if priors.mu.intercept_at_means else intercept
        total += float(priors.mu.intercept.prior.logpdf(at))
    fixef = zip(priors.mu.fixef, named["fixef"], strict=True)
    total += sum(float(a.prior.logpdf(v)) for a, v in fixef)
    eta = intercept + design.mu.X @ named["fixef"]
    for g in design.mu.groups:
        eta = eta + np.sum(g.Z * named[names.ranef(g.name)][g.refs], axis=1)
    eta = eta if design.mu.offset is None else eta + design.mu.offset
    rows = model.family.log_density(
        design.y,
        model.family.inverse(eta[None], np),
        {name: named[name][None] for name in model.family.estimated(design)},
        weights=design.weights,
        trials=design.trials,
    )
    return total + float(rows.sum())


@pytest.fixture
def joint():
    return SimpleNamespace(
        make=make,
        density_of=density_of,
        by_hand=by_hand,
        placed=placed,
        families=RESPONSES,
        data=data,
    )
