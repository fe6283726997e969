"""Which coefficients a level of a factor has of its own, and what predicts them.

In the two-level form of a model a predictor that never changes within a level belongs to the
equation of the level's intercept. The product of such a predictor and a row's covariate, a
cross-level interaction, belongs to the equation of that covariate's slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, Ints
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
    varying = {term: g.Z[:, k] for k, term in enumerate(g.terms)}
    places = {term: k for k, term in enumerate(terms)}
    found: dict[str, list[Predictor]] = {term: [] for term in g.terms}
    others = [term for term in terms if term not in varying]
    left = []
    for term in others:
        x = X[:, places[term]]
        of = next((t for t in _by_size(varying) if _belongs(x, varying[t], g.refs)), None)
        if of is None or term == names.INTERCEPT:
            left.append(term)
        else:
            found[of].append(Predictor(_without(term, of), places[term]))
    for term in left:
        x, own = X[:, places[term]], set(_parts(term))
        slopes = [t for t in left if set(_parts(t)) < own]
        of = next((t for t in _by_size(slopes) if _belongs(x, X[:, places[t]], g.refs)), None)
        if of is not None:
            found.setdefault(of, []).append(Predictor(_without(term, of), places[term]))
    return tuple(
        Coefficient(term, places.get(term), term in varying, tuple(by))
        for term, by in found.items()
    )


def _by_size(terms: object) -> list[str]:
    """Terms of few factors first: the intercept, then main effects."""
    return sorted(terms, key=lambda term: len(_parts(term)))  # type: ignore[call-overload]


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


def _belongs(x: Floats, z: Floats, refs: Ints) -> bool:
    """Whether x is z times a number of each level."""
    size = np.bincount(refs, z * z)
    share = np.bincount(refs, x * z) / np.where(size > 0, size, 1.0)
    return bool(np.abs(x - share[refs] * z).max() <= _SAME * np.abs(x).max())
