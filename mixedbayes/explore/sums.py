"""The sums over each group's rows from which a page computes coefficients, and what they are of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, Ints, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.marginal.setup import Population
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.shrinkage import check_least_squares, complete_pooling, mean_ranef

MOST_EFFECTS = 2
_NOTHING = 1e-20  # of the sum of squares of a column, what rounding leaves of one that is constant
_ASK = "plot_pooling() and plot_shrinkage() draw it as it is"


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Where the page computes, beside what it shows.

    It computes with columns X that the priors are about, centred, of coefficients start + c, and
    with Z whose second column is centred where the first is constant, of effects A d. It shows the
    effects d of `terms`: those at zero, or where zero is far from all rows those at `at`.
    """

    terms: tuple[str, ...]  # (q,) names of the group's terms
    at: tuple[str, float] | None  # the column at whose value an intercept is shown; None: at zero
    A: Floats  # (q, q)
    shown: Floats  # (q, q) d of the effects at zero
    centre: float  # subtracted from Z's second column
    population: tuple[str, ...]  # (m,) all population terms, the intercept first
    C: Floats  # (m, p) population coefficients at zero: start + C c
    start: Floats  # (m,)
    E: Floats  # (q, p) of the group's terms, as they are shown
    base: Floats  # (q,)
    origin: Floats  # (p,) the coefficients of X from which c counts

    def Z(self, Z: Floats) -> Floats:
        """(n, q) the columns of A d."""
        if self.centre == 0:
            return Z
        return np.column_stack([Z[:, 0], Z[:, 1] - self.centre])


@dataclass(frozen=True, eq=False)
class Sums:
    """A model in the numbers that a page has of it.

    Attributes
    ----------
    group
        The grouping factor.
    coordinates
        What is computed, and what is shown.
    mean, precision
        (p,) and (p, p) of the normal prior of c.
    groups
        (J, K) what the page has of each group's rows; `assets/pooled.js` says in which form.
    y
        (n,) the response, less the offset and the effects of other factors.
    held
        The other factors, whose effects are at their posterior means.
    sd, cor, sigma
        (S, q), (S,) and (S,) draws of what is shown; no cor of one effect, or of independent ones,
        no sigma where variances are known.
    """

    post: Posterior
    group: GroupDesign
    coordinates: Coordinates
    population: Population
    mean: Floats
    precision: Floats
    groups: Floats
    y: Floats
    held: tuple[str, ...]
    sd: Floats
    cor: Floats | None
    sigma: Floats | None

    @property
    def tied(self) -> bool:
        """Whether the two effects have one sd."""
        alike = len(self.group.sd_terms) < len(self.group.terms)
        return alike and self.coordinates.at is None


def sums_of(post: Posterior, g: GroupDesign) -> Sums:
    """Of one grouping factor of a model that `check_model` lets pass.

    ModelError where a group has too many effects, or the population coefficients are not normal.
    """
    if len(g.terms) > MOST_EFFECTS:
        raise ModelError(
            f"explore() shows at most {MOST_EFFECTS} effects per group, and {g.name} has "
            f"{len(g.terms)} ({', '.join(g.terms)}): name another factor with group=, or fit with "
            f"fewer effects over {g.name}; {_ASK}"
        )
    design, priors = post.design, post.priors.mu
    moved = priors.moved(design.mu)
    population = Population.of(moved, priors)
    _check_priors(population)
    y = design.y if design.mu.offset is None else design.y - design.mu.offset
    others = [other for other in design.mu.factors if other is not g]
    for other in others:
        y = y - np.einsum("nt,nt->n", other.Z, mean_ranef(post, other)[other.refs])
    where = _coordinates(post, g, population, y)
    X, Z = population.columns(moved, population.integrated), where.Z(g.Z)
    w = np.ones(design.n) if design.weights is None else design.weights
    rest = y - X @ where.origin
    groups = np.stack([*_reduced(g.refs, g.n_levels, w, Z, X, rest)], axis=1)
    mean, precision = population.prior_moments()
    cov = where.shown @ post.cov(g.name) @ where.shown.T
    sd = np.sqrt(np.einsum("sii->si", cov))
    cor = None
    if len(g.terms) == 2 and (g.correlated or where.at is not None):
        cor = np.clip(cov[:, 0, 1] / np.maximum(sd[:, 0] * sd[:, 1], 1e-300), -1.0, 1.0)
    sigma = None if post.known_variances else post.residual_scale
    return Sums(
        post, g, where, population, mean - where.origin, precision, groups, y,
        tuple(other.name for other in others), sd, cor, sigma,
    )  # fmt: skip


def check_model(post: Posterior) -> None:
    """ModelError where the effects have no closed form given the variances."""
    what = "explore()"
    post.need_one_data_set(what)
    check_least_squares(post, what)
    if not post.closed_form:
        raise ModelError(
            f"{what} computes the effects in closed form, which needs a Gaussian model, and here "
            f"{post.spec.closed_form_obstacle}; {_ASK}"
        )


def _check_priors(population: Population) -> None:
    """The population coefficients are normal, given the variances."""
    steps = {m.name for m in population.monotonic}
    odd = [population.terms[i] for i in population.sampled]
    if not odd:
        return
    if steps:
        raise ModelError(
            f"explore() finds the population coefficients in closed form, and the steps of "
            f"{', '.join(sorted(steps))} have one sign: fit with these columns as numbers or "
            f"categories; {_ASK}"
        )
    said = ", ".join(f"{t} ~ {population.priors[population.terms.index(t)]}" for t in odd)
    raise ModelError(
        f"explore() finds the population coefficients in closed form, which needs normal or flat "
        f"priors, and {len(odd)} of {len(population.terms)} have others ({said}): fit with "
        f"mb.Normal there; {_ASK}"
    )


def _coordinates(post: Posterior, g: GroupDesign, population: Population, y: Floats) -> Coordinates:
    q, Z = len(g.terms), g.Z
    constant = q == 2 and bool((Z[:, 0] == 1).all())
    w = np.ones(len(y)) if post.design.weights is None else post.design.weights
    centre = float(w @ Z[:, 1] / w.sum()) if constant else 0.0
    at = _shown_at(Z[:, 1], centre) if constant and g.terms[0] == names.INTERCEPT else 0.0
    shown = np.array([[1.0, at], [0.0, 1.0]]) if q == 2 else np.eye(1)
    moved = np.array([[1.0, centre - at], [0.0, 1.0]]) if q == 2 else np.eye(1)
    p = len(population.terms)
    C = population.coefficients(np.eye(p), np.empty((p, 0))).T
    found = complete_pooling(replace(post.design, y=y, predictors=_without_offset(post)))
    start = np.array([found[t] for t in population.terms])
    rows = [population.terms.index(t) if t in population.terms else -1 for t in g.population]
    own = np.array([C[k] if k >= 0 else np.zeros(p) for k in rows]).reshape(q, p)
    base = np.array([start[k] if k >= 0 else 0.0 for k in rows])
    return Coordinates(
        g.terms, (g.terms[1], at) if at else None, moved, shown, centre, population.terms, C,
        start, shown @ own, shown @ base, population.placed(start[None])[0],
    )  # fmt: skip


def _without_offset(post: Posterior) -> tuple[LinearPredictor, ...]:
    mu, *others = post.design.predictors
    return (replace(mu, offset=None), *others)


def _shown_at(x: Floats, centre: float) -> float:
    """0 where the values of a column are about zero; else a round number in their middle."""
    low, high = float(x.min()), float(x.max())
    spread = high - low
    if low - spread <= 0 <= high + spread:
        return 0.0
    step = 10.0 ** np.floor(np.log10(spread))
    return float(np.round(centre / step) * step)


def _reduced(refs: Ints, J: int, w: Floats, Z: Floats, X: Floats, y: Floats) -> Iterator[Floats]:
    """(J,) the numbers of each group, in the order in which the page reads them.

    Z = Q F' with Q'WQ = I in every group, by Gram and Schmidt: F', Q'WX, Q'Wy, and the products of
    what Z leaves of X and y.
    """

    def total(values: Floats) -> Floats:
        return np.bincount(refs, w * values, J)

    q, p = Z.shape[1], X.shape[1]
    columns = [*Z.T.copy(), *X.T.copy(), y.copy()]
    along = np.zeros((q, q + p + 1, J))
    for i in range(q):
        square = total(columns[i] ** 2)
        there = square > _NOTHING * total(Z[:, i] ** 2)
        along[i, i] = np.sqrt(np.where(there, square, 0.0))
        unit = np.divide(1.0, along[i, i], out=np.zeros(J), where=there)
        for k in range(i + 1, q + p + 1):
            along[i, k] = total(columns[i] * columns[k]) * unit
            columns[k] -= columns[i] * (along[i, k] * unit)[refs]
    for i in range(q):
        yield from along[i, i:q]
    for i in range(q):
        yield from along[i, q : q + p]
    yield from along[:, -1]
    rest = columns[q:]
    for i in range(p):
        yield from (total(rest[i] * other) for other in rest[: i + 1])
    yield from (total(x * rest[-1]) for x in rest[:-1])
