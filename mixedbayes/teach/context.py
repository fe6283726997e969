"""Names and values with which the forms of one model are written, and what predicts coefficients.

In the two-level form of a model a predictor that never changes within a level belongs to the
equation of the level's intercept. The product of such a predictor and a row's covariate, a
cross-level interaction, belongs to the equation of that covariate's slope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.interop.writing import parts
from mixedbayes.model.spec import Spec
from mixedbayes.results.pooling import together
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.base import need_plain

_SAME = 1e-9  # relative


@dataclass(frozen=True)
class Predictor:
    """A predictor of a level's coefficient."""

    name: str  # "sex[female]"
    place: int  # in beta, of "sex[female]" or "occasion:sex[female]"


@dataclass(frozen=True)
class Coefficient:
    """A coefficient of each level: the population's, predictors, and a deviation if it varies."""

    term: str  # "Intercept", "occasion"
    place: int | None  # in beta; None without a population effect
    varies: bool  # whether levels deviate by chance
    predictors: tuple[Predictor, ...]


def coefficients(g: GroupDesign, terms: tuple[str, ...], X: Floats) -> tuple[Coefficient, ...]:
    """The coefficients of a factor's levels: those that vary, in order, then those that do not.

    `X` (n, p) has the columns of `terms`, that of ones first where there is an intercept. What
    does not vary is among them only where the level predicts it.
    """
    columns = {term: X[:, k] for k, term in enumerate(terms)}
    varying = {term: g.Z[:, k] for k, term in enumerate(g.terms)}
    places = {term: k for k, term in enumerate(terms)}
    found: dict[str, list[Predictor]] = {term: [] for term in g.terms}
    fixed = []  # what predicts no coefficient that varies
    for term in (term for term in terms if term not in varying):
        of = next((t for t in _by_size(varying) if _predicts(term, t, varying, columns, g)), None)
        if of is None or term == names.INTERCEPT:
            fixed.append(term)
        else:
            found[of].append(Predictor(_without(term, of), places[term]))
    for term in fixed:
        slopes = _by_size(t for t in fixed if set(_parts(t)) < set(_parts(term)))
        of = next((t for t in slopes if _predicts(term, t, columns, columns, g)), None)
        if of is not None:
            found.setdefault(of, []).append(Predictor(_without(term, of), places[term]))
    return tuple(
        Coefficient(term, places.get(term), term in varying, tuple(by))
        for term, by in found.items()
    )


def _by_size(terms: Iterable[str]) -> list[str]:
    """Terms of few factors first: the intercept, then main effects."""
    return sorted(terms, key=lambda term: len(_parts(term)))


def _parts(term: str) -> list[str]:
    return [] if term == names.INTERCEPT else parts(term)


def _without(term: str, of: str) -> str:
    """What is left of a product's name without one of its factors."""
    left = _parts(term)
    for part in _parts(of):
        if part not in left:
            return f"{term} / {of}"
        left.remove(part)
    return ":".join(left)


def _predicts(
    term: str, of: str, slopes: Mapping[str, Floats], columns: Mapping[str, Floats], g: GroupDesign
) -> bool:
    """Whether a term's column is that of `of` times a number of each level.

    That number is what the product's other factors make, where they have a column of their own;
    else it takes levels with two rows or more to tell it from a number of the row.
    """
    x, z, refs = columns[term], slopes[of], g.refs
    size = np.bincount(refs, z * z, g.n_levels)
    share = np.bincount(refs, x * z, g.n_levels) / np.where(size > 0, size, 1.0)
    if np.abs(x - share[refs] * z).max() > _SAME * np.abs(x).max():
        return False
    other = columns.get(_without(term, of))
    if of == names.INTERCEPT or other is None:
        return bool(np.count_nonzero(z) > np.count_nonzero(size))
    mean = np.bincount(refs, other, g.n_levels) / np.bincount(refs, minlength=g.n_levels)
    return bool(np.abs(other - mean[refs]).max() <= _SAME * np.abs(other).max())


MAX_ROWS = 1500
INDEX = "jklmpqrstuvw"  # of levels, one letter for each factor
CORRELATION = 0.3

# Characters with a meaning in LaTeX, and how each is written as itself.
_SPECIAL = {"\\": r"\backslash{}", "^": r"\wedge{}", "~": r"\sim{}"}
_SPECIAL |= {c: f"\\{c}" for c in "_#%&${}"}


@dataclass(frozen=True, eq=False)
class Factor:
    """One grouping factor as the forms write it."""

    g: GroupDesign
    tag: str  # "Subject", "batch_cask": for names of variables
    index: str  # "j"
    cov: Floats  # (q, q) Psi

    @property
    def tex(self) -> str:
        return tex(self.g.name)


@dataclass(frozen=True, eq=False)
class Context:
    """A model with one set of values, at which its forms are compared."""

    design: Design
    terms: tuple[str, ...]  # of beta: "Intercept" first, where there is one
    beta: Floats
    sigma: float
    factors: tuple[Factor, ...]
    coefficients: tuple[Coefficient, ...]  # of the first factor's levels

    @property
    def first(self) -> Factor:
        """The factor that forms about one factor are written for."""
        return self.factors[0]

    @property
    def others(self) -> tuple[Factor, ...]:
        return self.factors[1:]

    @property
    def varying(self) -> list[Coefficient]:
        """Coefficients of the first factor's levels that deviate by chance, as its terms."""
        return [k for k in self.coefficients if k.varies]

    @property
    def guided(self) -> list[Coefficient]:
        """Coefficients of its levels that only their predictors make different."""
        return [k for k in self.coefficients if not k.varies]

    def rest(self, *coefficients: Coefficient) -> list[int]:
        """Places in beta of what has no part in these coefficients of the first factor's levels."""
        parts = {p for k in coefficients for p in (k.place, *(by.place for by in k.predictors))}
        return [i for i in range(len(self.terms)) if i not in parts]


def context(model: Spec | Posterior, *, most_rows: float = MAX_ROWS) -> Context:
    """Values: the means of a posterior; of a model alone some that the data suggest.

    `most_rows` is the limit for what computes with the forms; their equations need none.

    Raises
    ------
    ModelError
        If the model is not Gaussian with equal weights, has no effects at all, or too many rows
        for matrices of rows x rows.
    """
    _check(model, most_rows)
    design = model.design
    mu = design.mu
    terms = ((names.INTERCEPT,) if mu.intercept else ()) + mu.terms
    if isinstance(model, Spec):
        whole = together(design)
        rest = _residual_variance(design, whole.estimate, terms)
        share = 0.5 if mu.factors else 1.0  # of what the population's columns leave
        beta, sigma = whole.estimate, float(np.sqrt(share * rest))
        covs = _suggested(design, rest / 2)
    else:
        intercept = [model.intercept().mean()] if mu.intercept else []
        beta = np.array([*intercept, *model.fixef().mean(axis=0)])
        sigma = float(model.residual_scale.mean())
        covs = {g.name: model.cov(g.name).mean(axis=0) for g in mu.factors}
    factors = tuple(
        Factor(
            g,
            names.identifier(g.name).replace(".", "_"),
            INDEX[min(k, len(INDEX) - 1)],
            _rounded(covs[g.name]),
        )
        for k, g in enumerate(mu.factors)
    )
    X = np.column_stack([np.ones((design.n, int(mu.intercept))), mu.X])
    return Context(
        design,
        terms,
        _rounded(beta),
        float(_rounded(np.asarray(sigma))),
        factors,
        coefficients(mu.factors[0], terms, X) if mu.factors else (),
    )


def _check(model: Spec | Posterior, most_rows: float) -> None:
    design, family = model.design, model.family
    if not family.closed_form:
        raise ModelError(
            f"ways() writes Gaussian models with identity link; the {family.name} family with "
            f"{family.link.name} link has no marginal form in closed form"
        )
    if design.residual is not None:
        raise ModelError(
            f"ways() writes models of independent residuals, and here they are "
            f"{design.residual.text}: ways() of the model without residual= compares its forms"
        )
    if design.further:
        raise ModelError(
            "ways() writes models with one residual variance, and "
            f"{', '.join(design.further)} has a formula of its own"
        )
    if design.mu.monotonic:
        raise ModelError(
            f"ways() writes models linear in their coefficients, and {design.mu.monotonic[0].name} "
            "has steps that are products of an average and shares; report() has its equation"
        )
    design.need_rows("ways()")
    if design.limits is not None:
        said = " and ".join(design.formula.response.limits)
        raise ModelError(f"ways() writes models of responses that are all known: leave {said} out")
    need_plain(design.mu.groups, "ways()")
    if design.weights is not None:
        raise ModelError(
            "ways() writes models with one residual variance: leave "
            f"{design.formula.response.weighing} out"
        )
    if not design.mu.factors and not (design.mu.intercept or design.mu.terms):
        raise ModelError("the model has no effects at all, so no forms to compare")
    odd = [g for g in design.mu.factors if g.correlated and not g.covariance.closed]
    if odd:
        raise ModelError(
            f"ways() writes correlations without structure, and those over {odd[0].name} are "
            f"{odd[0].covariance.name}(... | {odd[0].name})"
        )
    if design.n > most_rows:
        raise ModelError(
            f"ways() forms matrices of rows x rows, for at most {most_rows:,} rows, and the model "
            f"has {design.n:,}: make it from fewer groups, its forms are the same"
        )


def _residual_variance(design: Design, beta: Floats, terms: tuple[str, ...]) -> float:
    X = np.column_stack([np.ones(design.n), design.mu.X]) if design.mu.intercept else design.mu.X
    offset = 0.0 if design.mu.offset is None else design.mu.offset
    return float(np.var(design.y - offset - X @ beta, ddof=1))


def _suggested(design: Design, variance: float) -> dict[str, Floats]:
    """The variance in equal parts to all effects, those of one bar a little correlated."""
    groups = design.mu.factors
    each = variance / max(1, sum(len(g.terms) for g in groups))
    out = {}
    for g in groups:
        sd = np.sqrt(each / np.maximum((g.Z**2).mean(axis=0), 1e-12))
        cor = np.eye(len(g.terms))
        for block in g.blocks:
            cor[np.ix_(block, block)] = CORRELATION
        np.fill_diagonal(cor, 1.0)
        out[g.name] = cor * np.outer(sd, sd)
    return out


def _rounded(values: Floats) -> Floats:
    """Six significant digits, as the code shows them."""
    return np.array([float(f"{v:.6g}") for v in values.ravel()]).reshape(values.shape)


def tex(name: str) -> str:
    """A user's name in a formula."""
    return rf"\mathrm{{{''.join(_SPECIAL.get(c, c) for c in name)}}}"
