"""Formulas for further parameters, as one stacked design: density, gradient, names."""

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats

import mixedbayes as mb
from mixedbayes import names
from mixedbayes.engines.choose import choose_engine
from mixedbayes.joint.coordinates import Coordinates
from mixedbayes.joint.density import JointDensity
from mixedbayes.joint.laplace import approximate
from mixedbayes.theta.logpriors import LOG, TANH
from tests.support.bends import bends

CASES = {
    "gaussian": ("gaussian", "y ~ x + (x | g)", ["sigma ~ x + (1 | g)"], {}),
    "slopes of both": ("gaussian", "y ~ x + (x | g)", ["sigma ~ x + (x | g)"], {}),
    "nested in both": ("gaussian", "y ~ x + (1 | g/h)", ["sigma ~ 1 + (1 | g/h)"], {}),
    "other factors": ("lognormal", "y ~ x + (1 | g)", ["sigma ~ x + (1 | k)"], {}),
    "two parameters": ("student_t", "y ~ x + (1 | g)", ["nu ~ 1", "sigma ~ x"], {}),
    "one of two": ("student_t", "y ~ x + (1 | g)", ["sigma ~ x"], {}),
    "negative binomial": ("negative_binomial", "y ~ x + (1 | g)", ["shape ~ x + (1 | k)"], {}),
    "gamma, weighted": ("gamma", "y | weights(w) ~ x + (1 | g)", ["shape ~ x"], {}),
    "beta, weighted": ("beta", "y | weights(w) ~ x + (1 | g)", ["phi ~ x"], {}),
    "offsets": (
        "negative_binomial", "y ~ x + offset(log(t)) + (1 | g)", ["shape ~ x + offset(0.1 * t)"],
        {},
    ),
    "across": ("gaussian", "y ~ x + (x | p | g) + (1 | k)", ["sigma ~ x + (1 | p | g)"], {}),
    "across, two blocks, in another order": (
        "student_t", "y ~ x + (1 | p | g) + (0 + x | q | g)",
        ["sigma ~ 1 + (1 | p | g)", "nu ~ 1 + (1 | q | g)"], {"cor": mb.LKJ(4)},
    ),
    "across, without the mean": (
        "student_t", "y ~ x + (1 | g/h)",
        ["nu ~ 1 + (1 | p | g/h)", "sigma ~ 1 + (1 | p | g/h)"], {"cor": {"g": mb.LKJ(1)}},
    ),
    "no intercepts": ("gaussian", "y ~ 0 + x + (1 | g)", ["sigma ~ 0 + x"], {}),
    "priors at zero": (
        "gaussian", "y ~ x + (1 | g)", ["sigma ~ x + (1 | g)"],
        {
            "Intercept": mb.Normal(0.5, 2),
            "sigma": {"Intercept": mb.StudentT(3, 0, 1), "fixef": mb.Normal(0, 0.3)},
        },
    ),
}  # fmt: skip


def model_of(case):
    """Rows with factors g, h within g, and k crossed; y drawn in the family's support."""
    family, first, others, priors = CASES[case]
    rng, n = np.random.default_rng(5), 60
    g, h, k = np.arange(n) % 6, np.arange(n) // 6 % 3, rng.integers(0, 4, n)
    eta = 0.4 + rng.normal(0, 0.5, 6)[g]
    y = {
        "negative_binomial": rng.poisson(np.exp(eta) * rng.gamma(2, 0.5, n)),
        "beta": rng.beta(2, 3, n),
        "gamma": rng.gamma(3, np.exp(eta) / 3),
        "lognormal": np.exp(rng.normal(eta, 0.5)),
    }.get(family, rng.normal(eta, 1))
    data = pd.DataFrame({"y": y, "x": rng.normal(1, 1, n).round(1)})
    data["w"], data["t"] = rng.integers(1, 4, n).astype(float), rng.uniform(1, 2, n)
    data = data.assign(g=g.astype(str), h=h.astype(str), k=k.astype(str))
    return mb.Model([first, *others], data, family=family, priors=priors)


def density_of(model):
    return JointDensity.of(model.design, model.family, model.spec.priors)


def somehow(layout):
    """Coordinates centred in every degree, and tails transformed to the left and to the right."""
    rng, h = np.random.default_rng(1), layout.n_hyper
    tails = bends(layout.variance_starts, np.flatnonzero(layout.table.codes[:h, 1] == TANH))
    noise = [rng.normal(size=(g.n_levels, len(g.terms), len(g.terms))) for g in layout.groups]
    return Coordinates(tuple(2 * A @ A.transpose(0, 2, 1) for A in noise), tails)


def point(layout, seed=0):
    return 0.3 * np.random.default_rng(seed).normal(size=layout.ndim) + 0.1


def by_hand(model, layout, theta, coordinates, placed):
    """Log density of theta (d,), predictor by predictor, by SciPy and the families' densities."""
    design, priors, family = model.design, model.spec.priors, model.family
    phi = coordinates.tails.phi(theta[: layout.n_hyper])
    total = float(coordinates.tails.log_slope(theta[: layout.n_hyper]))
    total += phi[layout.table.codes[: layout.n_hyper, 1] == LOG].sum()  # d sd / d log sd = sd
    named = {k: v[0] for k, v in layout.named(theta[None], coordinates).items()}
    sds = layout.hyper(phi)[0]
    information = {g.name: coordinates.known(k, sds)[0] for k, g in enumerate(layout.groups)}
    pairs = list(zip(design.predictors, priors.predictors, strict=True))
    etas = {}
    for predictor, own in pairs:
        p = predictor.parameter
        beta = named.get(names.fixef(p), np.zeros(0))
        eta = predictor.X @ beta
        total += sum(float(a.prior.logpdf(v)) for a, v in zip(own.fixef, beta, strict=True))
        if predictor.intercept:
            at = named[names.intercept(p)]
            eta = eta + at
            at = at + predictor.means @ beta if own.intercept_at_means else at
            total += float(own.intercept.prior.logpdf(at))
        for g in predictor.groups:
            if g.name not in priors.across:
                total += effects(g, own, named, information[names.prefix(p) + g.name], placed)
            eta = eta + np.sum(g.Z * named[names.ranef(g.name, p)][g.refs], axis=1)
        etas[p] = eta if predictor.offset is None else eta + predictor.offset
    total += sum(across(a, priors, named, information[a.name]) for a in design.across)
    values = {
        name: np.exp(etas[name])[None] if name in etas else named[name][None]
        for name in family.parameters
    }
    total += sum(float(a.prior.logpdf(named[name])) for name, a in priors.parameters.items())
    mu = family.inverse(etas["mu"][None], np)
    return total + float(family.log_density(design.y, mu, values, weights=design.weights).sum())


def effects(g, priors, named, information, placed):
    """Priors of a factor's sds and correlations, and the density of its effects in theta."""
    sd, cor, b = placed(named, g.name, priors)
    total = sum(float(a.prior.logpdf(s)) for a, s in zip(priors.sd[g.name], sd, strict=True))
    if g.correlated:
        total += float(priors.cor[g.name].prior.logpdf(cor)) + np.log(
            1 - cor[0, 1] ** 2
        )  # r = tanh t
    cov = cor * np.outer(sd, sd)
    total += float(stats.multivariate_normal(cov=cov).logpdf(b).sum())
    S = np.linalg.cholesky(cov)  # b = S u and x = U' u + ..., |db / dx| = |S| / |U|
    P = np.eye(len(sd)) + S.T @ information @ S
    return total + float(len(b) * np.linalg.slogdet(S)[1] - np.linalg.slogdet(P)[1].sum() / 2)


def across(a, priors, named, information):
    """The same of all effects over a factor, correlated across parameters: b' = T^-1 b, (J, q)."""
    own = [priors.predictor(p) for p, _ in a.members]
    b = np.concatenate([named[names.ranef(a.name, p)] for p, _ in a.members], axis=1)
    backs = [
        np.linalg.inv(p.placed[a.name].T) if a.name in p.placed else np.eye(len(g.terms))
        for p, (_, g) in zip(own, a.members, strict=True)
    ]
    moved = any(a.name in p.placed for p in own)
    sd = np.concatenate([named[p.name(names.sd(a.name, p.parameter), a.name)] for p in own])
    cor = named[names.at_means(names.cor(a.name)) if moved else names.cor(a.name)]
    total = sum(float(s.prior.logpdf(v)) for s, v in zip(sum((p.sd[a.name] for p in own), ()), sd,
                                                         strict=True))  # fmt: skip
    prior = priors.across[a.name].prior
    for block in a.blocks:
        R = cor[np.ix_(block, block)]
        total += float(prior.logpdf(R)) if len(block) > 1 else 0.0
        # of partial correlations z = tanh t, LKJ's density of R beside that of the t
        W = np.linalg.cholesky(R)
        k = len(block)
        for i in range(k):
            left = 1.0
            for j in range(i):
                z = W[i, j] / np.sqrt(left)
                total += np.log1p(-(z**2)) * (1 + (k - 2 - j) / 2)
                left -= W[i, j] ** 2
    cov = cor * np.outer(sd, sd)
    b = b @ linalg.block_diag(*backs).T
    total += float(stats.multivariate_normal(cov=cov).logpdf(b).sum())
    S = np.linalg.cholesky(cov)
    P = np.eye(len(sd)) + S.T @ information @ S
    return total + float(len(b) * np.linalg.slogdet(S)[1] - np.linalg.slogdet(P)[1].sum() / 2)


@pytest.mark.parametrize("case", CASES)
def test_density_is_the_one_written_by_hand(case, joint):
    model = model_of(case)
    density = density_of(model)
    layout = density.layout
    assert choose_engine(mb.PartiallyCentered(), model.spec).engine.name == "joint"
    theta = point(layout)
    assert density.logp_grad(theta)[0] == pytest.approx(
        by_hand(model, layout, theta, density.coordinates, joint.placed), rel=1e-10
    )


@pytest.mark.parametrize("case", CASES)
def test_draws_have_the_density_of_the_walk(case, joint):
    """Also in the coordinates that Laplace's approximation chooses; and the gradient's is right."""
    model = model_of(case)
    plain = density_of(model)
    near = approximate(plain)
    density = plain.whitened(near, near.coordinates)
    z = np.random.default_rng(3).normal(size=(2, plain.ndim))
    theta = near.to_theta(z)
    expected = [by_hand(model, plain.layout, t, near.coordinates, joint.placed) for t in theta]
    found = [density.logp_grad(row)[0] for row in z]
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], abs=1e-7)
    h = 1e-6
    differences = [
        (density.logp_grad(z[0] + e)[0] - density.logp_grad(z[0] - e)[0]) / (2 * h)
        for e in h * np.eye(plain.ndim)
    ]
    gradient = density.logp_grad(z[0])[1]
    np.testing.assert_allclose(gradient, differences, rtol=2e-5, atol=2e-4)


def test_nested_factors_are_linked_within_a_parameter_alone():
    layout = density_of(model_of("nested in both")).layout
    found = {(layout.groups[x.finer].name, layout.groups[x.coarser].name) for x in layout.links}
    assert found == {("g:h", "g"), ("sigma_g:h", "sigma_g")}
