"""Posteriors made by hand: no sampler, the effects drawn from their exact conditional normal."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from specs import spec_of

from mixedbayes import names
from mixedbayes.design import build_design
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor
from mixedbayes.families.registry import as_family
from mixedbayes.formula import parse_all
from mixedbayes.formula.types import Formula, Response, Span
from mixedbayes.results.posterior import Posterior


def group(name, labels, columns):
    """A GroupDesign with all effects correlated; `columns` maps a term to its (n,) column."""
    levels, refs = np.unique(np.asarray(labels), return_inverse=True)
    terms = tuple(columns)
    return GroupDesign(
        name=name,
        factors=(name,),
        levels=pd.Index(levels),
        parts=pd.DataFrame({name: levels}),
        refs=refs,
        terms=terms,
        Z=np.column_stack([columns[t] for t in terms]),
        blocks=(tuple(range(len(terms))),),
    )


def design(response, y, X, groups, formula=""):
    """A Gaussian design; `X` maps a term to its (n,) column."""
    y = np.asarray(y, float)
    columns = np.column_stack(list(X.values())) if X else np.zeros((len(y), 0))
    mu = LinearPredictor("mu", True, tuple(X), columns, tuple(groups), None)
    span = Span(0, 0)
    return Design(
        formula=Formula(formula, Response(response, span), "1", (), ()),
        response=response,
        y=y,
        predictors=(mu,),
        weights=None,
        trials=None,
        response_levels=None,
        index=pd.RangeIndex(len(y)),
        rows=np.arange(len(y)),
    )


def posterior(d, cov, sigma, chains=2, draws=150, seed=1, family=None, effects=True):
    """Draws around given variance parameters; effects from the mixed-model equations.

    `cov` maps a group to its (q, q) covariance. Variance parameters are jittered by 15 %, the
    effects are conditional on their centre.
    """
    rng = np.random.default_rng(seed)
    S = chains * draws
    blocks = [np.ones((d.n, 1)), d.mu.X]
    precision = [np.zeros((1 + len(d.mu.terms),) * 2)]
    for g in d.mu.groups:
        Z = np.zeros((d.n, g.n_levels, len(g.terms)))
        Z[np.arange(d.n), g.refs] = g.Z
        blocks.append(Z.reshape(d.n, -1))
        precision.append(np.kron(np.eye(g.n_levels), np.linalg.inv(cov[g.name])))
    W = np.hstack(blocks)
    P = W.T @ W / sigma**2
    at = 0
    for block in precision:
        P[at : at + len(block), at : at + len(block)] += block
        at += len(block)
    L = np.linalg.cholesky(P)
    mean = np.linalg.solve(P, W.T @ d.y / sigma**2)
    theta = mean + np.linalg.solve(L.T, rng.standard_normal((len(mean), S))).T

    def shaped(a):
        return a.reshape(chains, draws, *a.shape[1:])

    p = len(d.mu.terms)
    data = {names.intercept(): (("chain", "draw"), shaped(theta[:, 0]))}
    coords = {}
    if p:
        data[names.fixef()] = (("chain", "draw", "term"), shaped(theta[:, 1 : 1 + p]))
        coords["term"] = list(d.mu.terms)
    at = 1 + p
    for g in d.mu.groups:
        q, J = len(g.terms), g.n_levels
        dims = (names.group_dim(g.name), names.group_term_dim(g.name))
        coords[dims[0]], coords[dims[1]] = list(g.levels), list(g.terms)
        b = theta[:, at : at + q * J].reshape(S, J, q)
        at += q * J
        data[names.ranef(g.name)] = (("chain", "draw", *dims), shaped(b))
        sd = np.sqrt(np.diag(cov[g.name])) * np.exp(0.15 * rng.standard_normal((S, q)))
        data[names.sd(g.name)] = (("chain", "draw", dims[1]), shaped(sd))
        if g.correlated:
            scale = np.sqrt(np.diag(cov[g.name]))
            r = np.arctanh(np.clip(cov[g.name] / np.outer(scale, scale), -0.99, 0.99))
            e = 0.3 * rng.standard_normal((S, q, q))
            R = np.tanh(r + (e + e.swapaxes(1, 2)) / 2)
            R[:, np.arange(q), np.arange(q)] = 1.0
            bis = names.group_term_bis_dim(g.name)
            coords[bis] = list(g.terms)
            data[names.cor(g.name)] = (("chain", "draw", dims[1], bis), shaped(R))
    data[names.SIGMA] = (
        ("chain", "draw"),
        shaped(sigma * np.exp(0.05 * rng.standard_normal(S))),
    )
    idata = xr.DataTree.from_dict({"posterior": xr.Dataset(data, coords=coords)})
    return Posterior(spec_of(d, family), idata)


def slopes(n_groups=18, per_group=10, seed=3, tau=(25.0, 6.0), sigma=25.0):
    """Reaction ~ Days + (Days | Subject)."""
    rng = np.random.default_rng(seed)
    subject = np.repeat([str(300 + i) for i in range(n_groups)], per_group)
    days = np.tile(np.arange(per_group, dtype=float), n_groups)
    b = rng.standard_normal((n_groups, 2)) * tau
    k = np.repeat(np.arange(n_groups), per_group)
    y = 250 + b[k, 0] + (10 + b[k, 1]) * days + sigma * rng.standard_normal(len(k))
    g = group("Subject", subject, {"Intercept": np.ones(len(k)), "Days": days})
    cov = np.diag(np.square(tau)) + 0.1 * np.prod(tau) * (1 - np.eye(2))
    return posterior(design("Reaction", y, {"Days": days}, [g]), {"Subject": cov}, sigma)


def crossed(seed=4):
    """diameter ~ 1 + (1 | plate) + (1 | sample): 24 plates by 6 samples."""
    rng = np.random.default_rng(seed)
    plate, sample = (a.ravel() for a in np.meshgrid(np.arange(24), np.arange(6), indexing="ij"))
    y = 23 + 0.85 * rng.standard_normal(24)[plate] + 1.9 * rng.standard_normal(6)[sample]
    y = y + 0.55 * rng.standard_normal(len(y))
    one = {"Intercept": np.ones(len(y))}
    groups = [
        group("plate", np.array([chr(97 + i) for i in range(24)])[plate], one),
        group("sample", np.array(list("ABCDEF"))[sample], one),
    ]
    cov = {"plate": np.array([[0.72]]), "sample": np.array([[3.6]])}
    return posterior(design("diameter", y, {}, groups), cov, 0.55)


def intercepts(n_groups, per_group=6, seed=5):
    """gpa ~ occasion + (1 | student), numeric labels, unequal group sizes."""
    rng = np.random.default_rng(seed)
    n_of = rng.integers(2, per_group + 1, n_groups)
    k = np.repeat(np.arange(n_groups), n_of)
    occasion = np.concatenate([np.arange(n, dtype=float) for n in n_of])
    y = 2.6 + 0.1 * occasion + 0.25 * rng.standard_normal(n_groups)[k]
    y = y + 0.24 * rng.standard_normal(len(k))
    g = group("student", 1 + k, {"Intercept": np.ones(len(k))})
    return posterior(
        design("gpa", y, {"occasion": occasion}, [g]), {"student": np.array([[0.0625]])}, 0.24
    )


@pytest.fixture(scope="session")
def make():
    """Makers of posteriors, for tests that need another shape."""
    return SimpleNamespace(
        slopes=slopes,
        crossed=crossed,
        intercepts=intercepts,
        group=group,
        design=design,
        posterior=posterior,
    )


@pytest.fixture(scope="session")
def sleep():
    return slopes()


@pytest.fixture(scope="session")
def penicillin():
    return crossed()


@pytest.fixture(scope="session")
def many():
    return intercepts(300)


@pytest.fixture(scope="session")
def few():
    return intercepts(3)


def _extents(figure):
    """Text and extent in pixels of every visible, non-empty tick label, title and axis label."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    texts = []
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
        texts += [ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title]
    texts += [t for t in (figure._supxlabel, figure._supylabel, figure._suptitle) if t]
    texts += [t for legend in figure.legends for t in legend.get_texts()]
    shown = [t for t in texts if t.get_visible() and t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in shown]


def numbers(formula, data, family=None, draws=20, seed=3):
    """A posterior for a formula whose numbers mean nothing, and whose design can be replayed."""
    family = as_family(family or "gaussian")
    built = family.prepare(build_design(parse_all(formula), data))
    rng = np.random.default_rng(seed)
    values = {}
    for p in built.predictors:
        if p.intercept:
            values[names.intercept(p.parameter)] = 0.2 * rng.normal(size=draws)
        if p.terms:
            values[names.fixef(p.parameter)] = 0.3 + 0.05 * rng.normal(size=(draws, len(p.terms)))
        for g in p.groups:
            q = len(g.terms)
            values[names.sd(g.name, p.parameter)] = rng.uniform(0.3, 0.5, (draws, q))
            b = 0.4 * rng.normal(size=(draws, g.n_levels, q))
            values[names.ranef(g.name, p.parameter)] = b
            if g.correlated:
                off = rng.uniform(-0.2, 0.2, (draws, q, q))
                cor = np.tril(off, -1) + np.swapaxes(np.tril(off, -1), 1, 2) + np.eye(q)
                values[names.cor(g.name, p.parameter)] = cor
    for name in family.estimated(built):
        labels = family.labels(name, built)
        if labels is not None:
            values[name] = np.tile(np.linspace(-1, 1, len(labels)), (draws, 1))
        else:
            values[name] = rng.uniform(0.9, 1.1, draws) * (5.0 if name == "nu" else 1.0)
    variables = {}
    for name, value in values.items():
        dims = [f"{name}_{k}" for k in range(value.ndim - 1)]
        shaped = value.reshape(2, draws // 2, *value.shape[1:])
        variables[name] = (("chain", "draw", *dims), shaped)
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(variables, attrs={"seed": 1})})
    return Posterior(spec_of(built, family), tree)


@pytest.fixture(scope="session")
def numbers_from():
    """Makes posteriors for formulas and data frames, without sampling."""
    return numbers


@pytest.fixture(scope="session")
def check_texts():
    """Checks that no two texts of a figure overlap and that none leaves it."""

    def check(figure):
        boxes = _extents(figure)
        assert boxes
        width, height = figure.get_size_inches() * figure.dpi
        for text, box in boxes:
            inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
            assert inside, f"{text!r} leaves the figure: {box}"
        for i, (a, box_a) in enumerate(boxes):
            for b, box_b in boxes[i + 1 :]:
                wide = min(box_a.x1, box_b.x1) - max(box_a.x0, box_b.x0)
                high = min(box_a.y1, box_b.y1) - max(box_a.y0, box_b.y0)
                assert min(wide, high) < 1, f"{a!r} and {b!r} overlap by {wide:.0f} x {high:.0f} px"

    return check


@pytest.fixture(scope="session")
def by_gid():
    """The artists of an axes that carry a name."""

    def find(ax, gid):
        return [a for a in ax.get_children() if a.get_gid() == gid]

    return find


@pytest.fixture(autouse=True)
def _close_pyplot_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
