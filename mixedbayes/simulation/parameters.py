"""The true values of a simulated model: the user's numbers checked against its design."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.predict import forward

type Sds = Mapping[str, float | Mapping[str, float]]
type Cors = Mapping[str, float | Sequence[Sequence[float]]]


@dataclass(frozen=True, eq=False)
class Parameters:
    """One value of every parameter of a model, its group effects among them."""

    intercept: float
    fixef: Floats  # (p,)
    sd: Mapping[str, Floats]  # (q,)
    cor: Mapping[str, Floats]  # (q, q)
    ranef: Mapping[str, Floats]  # (J, q)
    own: Mapping[str, Floats]  # of the family: sigma (), thresholds (K - 1,)

    def predictor(self, mu: LinearPredictor) -> Floats:
        """(n,) linear predictor."""
        return mu.eta(self.intercept, self.fixef, lambda g: self.ranef[g.name])


def population(design: Design, family: Family, given: Mapping[str, float]) -> tuple[float, Floats]:
    """Intercept and slopes (p,); what is not given is 0."""
    terms = design.mu.terms
    known = [names.INTERCEPT, *terms] if has_intercept(design, family) else list(terms)
    reason = f" (the {family.thresholds} take the intercept's place)" if family.thresholds else ""
    _check_names("fixef", given, known, reason)
    values = {term: _number(value, f"fixef[{term!r}]") for term, value in given.items()}
    slopes = np.array([values.get(term, 0.0) for term in terms])
    return values.get(names.INTERCEPT, 0.0), slopes


def has_intercept(design: Design, family: Family) -> bool:
    return design.mu.intercept and family.thresholds is None


def deviations(design: Design, given: Sds) -> dict[str, Floats]:
    """Standard deviations (q,) of every grouping factor's effects; all must be given."""
    groups = {g.name: g for g in design.mu.groups}
    _check_names("sd", given, list(groups))
    out = {}
    for name, g in groups.items():
        value = given.get(name)
        if value is None:
            raise ModelError(
                f"sd: {name!r} is not given; it has the effects {', '.join(g.terms)}: "
                f"sd={{{name!r}: {{{g.terms[0]!r}: 0.5, ...}}}}, or one number for all"
            )
        by_term = value if isinstance(value, Mapping) else dict.fromkeys(g.terms, value)
        _check_names(f"sd[{name!r}]", by_term, g.terms)
        if absent := [t for t in g.terms if t not in by_term]:
            raise ModelError(f"sd[{name!r}]: {', '.join(absent)} not given; 0 for no variation")
        out[name] = np.array([_number(by_term[t], f"sd[{name!r}][{t!r}]", 0) for t in g.terms])
    return out


def correlations(design: Design, given: Cors) -> dict[str, Floats]:
    """Correlation matrices (q, q); identity where not given."""
    groups = {g.name: g for g in design.mu.groups}
    _check_names("cor", given, list(groups))
    return {name: _correlation(g, given.get(name, 0.0)) for name, g in groups.items()}


def _correlation(g: GroupDesign, value: Any) -> Floats:
    q = len(g.terms)
    together = np.zeros((q, q), bool)
    for block in g.blocks:
        together[np.ix_(block, block)] = True
    matrix = np.asarray(value, float)
    if matrix.ndim == 0:
        if matrix != 0 and not g.correlated:
            raise ModelError(
                f"cor[{g.name!r}] = {matrix:g}, but its effects ({', '.join(g.terms)}) are not "
                "correlated in the formula: (x | g) correlates them"
            )
        matrix = np.where(np.eye(q, dtype=bool), 1.0, np.where(together, matrix, 0.0))
    square = matrix.shape == (q, q) and np.array_equal(matrix, matrix.T)
    if not square or (np.diag(matrix) != 1).any():
        raise ModelError(
            f"cor[{g.name!r}] must be one number or a symmetric {q} x {q} matrix with diagonal 1, "
            f"in the order {', '.join(g.terms)}"
        )
    if (matrix[~together] != 0).any():
        raise ModelError(f"cor[{g.name!r}] is not 0 for effects that no bar of the formula joins")
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if not smallest > 1e-10:
        raise ModelError(
            f"cor[{g.name!r}] is no correlation matrix of {q} effects: its smallest eigenvalue is "
            f"{smallest:.3g}, and it must be above 0; take correlations nearer to 0"
        )
    for places in (sorted(b) for b in g.blocks if len(b) > 1):
        own = matrix[np.ix_(places, places)]
        root = g.covariance.root(g.covariance.inverse(own), len(places))
        if not np.allclose(root @ root.T, own, atol=1e-8):
            raise ModelError(
                f"cor[{g.name!r}] has not the structure {g.covariance.name}(... | {g.name}) of the "
                "formula; write (... | g) for any correlations"
            )
    return matrix


def family_values(
    family: Family, sigma: float | None, given: Mapping[str, Any]
) -> dict[str, Floats]:
    """Values of the family's own parameters; sigma is 1 where it is not given."""
    values = dict(given)
    if sigma is not None:
        values[names.SIGMA] = sigma
    elif names.SIGMA in family.parameters:
        values.setdefault(names.SIGMA, 1.0)
    known = [p.name for p in family.declared if not p.optional]
    _check_names(f"the {family.name} family", values, known)
    if absent := [name for name in known if name not in values]:
        raise ModelError(
            f"the {family.name} family needs a value of {', '.join(absent)}: {absent[0]}=..."
        )
    out = {}
    for name, value in values.items():
        if name == family.thresholds:
            out[name] = _thresholds(value, ordered=family.ordered)
        else:
            real = family.parameter(name).real
            out[name] = np.asarray(_number(value, name, -np.inf if real else 0))
            if out[name] == 0 and not real:
                raise ModelError(f"{name} must be greater than 0")
    return out


def _thresholds(value: Any, *, ordered: bool) -> Floats:
    cuts = np.asarray(value, float)
    fine = cuts.ndim == 1 and len(cuts) >= 2 and bool(np.isfinite(cuts).all())
    if not fine or (ordered and (np.diff(cuts) <= 0).any()):
        kind = "increasing" if ordered else "finite"
        raise ModelError(f"thresholds must be two or more {kind} numbers, got {value!r}")
    return cuts


def effects(
    g: GroupDesign, sd: Floats, cor: Floats, rng: np.random.Generator, *, exact: bool
) -> Floats:
    """(J, q) draws from Normal(0, D R D); `exact`: with just these sample moments."""
    u = g.law.draw((g.n_levels, len(g.terms)), rng)
    if exact:
        if g.n_levels <= len(g.terms):
            raise ModelError(
                f"exact effects of {g.name} need more levels than the {len(g.terms)} effects that "
                f"vary, and there are {g.n_levels}"
            )
        u = standardised(u)
    return np.asarray(g.mixed(forward.effects(u, sd, np.linalg.cholesky(cor))))


def standardised(u: Floats) -> Floats:
    """Columns with mean 0, variance 1 (denominator n - 1) and no correlation, just so: (n, k)."""
    centred = u - u.mean(axis=0)
    root = np.linalg.cholesky(centred.T @ centred / (len(u) - 1))
    return np.linalg.solve(root, centred.T).T


def _number(value: Any, where: str, least: float = -np.inf) -> float:
    ok = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    try:
        number = float(value) if ok else np.nan
    except OverflowError:
        number = np.inf
    if not np.isfinite(number) or number < least:
        bound = "" if least == -np.inf else f" from {least:g}"
        raise ModelError(f"{where} must be a finite number{bound}, got {value!r}")
    return number


def _check_names(where: str, given: Any, known: Sequence[str], reason: str = "") -> None:
    if not isinstance(given, Mapping):
        raise ModelError(f"{where} must be a dictionary by name, got {given!r}")
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ModelError(
                f"{where}: {name!r} is not among {', '.join(known) or 'none'}{reason}.{hint}"
            )
