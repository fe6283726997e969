"""Which coefficients a level of a factor has of its own, and what predicts them.

In the two-level form of a model a predictor that never changes within a level belongs to the
equation of the level's intercept. The product of such a predictor and a row's covariate, a
cross-level interaction, belongs to the equation of that covariate's slope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign
from mixedbayes.teach.columns import parts

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
