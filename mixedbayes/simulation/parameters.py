"""The true values of a simulated model: the user's numbers checked against its design."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.links import ShareLink
from mixedbayes.names import MU
from mixedbayes.predict import forward
from mixedbayes.predict.streams import named_stream
from mixedbayes.simulation.correlated import residual_values

type Sds = Mapping[str, float | Mapping[str, float]]
type Cors = Mapping[str, float | Sequence[Sequence[float]]]


@dataclass(frozen=True, eq=False)
class Coefficients:
    """One value of all that a linear predictor is made of."""

    intercept: float
    fixef: Floats  # (p,)
    sd: Mapping[str, Floats]  # (q,)
    cor: Mapping[str, Floats]  # (q, q), where they are not correlated across parameters
    ranef: Mapping[str, Floats]  # (J, q)

    def predictor(self, of: LinearPredictor) -> Floats:
        """(n,) linear predictor."""
        return of.eta(self.intercept, self.fixef, lambda g: self.ranef[g.name])


@dataclass(frozen=True, eq=False)
class Parameters:
    """One value of every parameter of a model, its group effects among them."""

    predictors: Mapping[str, Coefficients]  # of the mean, and of what else has a formula
    own: Mapping[str, Floats]  # of the family, without a formula: sigma (), thresholds (K - 1,)
    across: Mapping[str, Floats] = field(default_factory=dict)  # (q, q) by factor of Design.across
    residual: Mapping[str, Floats] = field(default_factory=dict)  # of correlated residuals: rho ()

    @property
    def mu(self) -> Coefficients:
        return next(iter(self.predictors.values()))

    def family_values(self, design: Design, family: Family) -> dict[str, Floats]:
        """The family's parameters: of the rows (n,) where there is a formula."""
        further = {
            p: family.parameter_link(p).inverse(
                self.predictors[p].predictor(design.predictor(p)), np
            )
            for p in design.further
        }
        return {**self.own, **further}


KEYS = ("fixef", "sd", "cor")


def given_parameters(
    design: Design,
    family: Family,
    mean: Mapping[str, Any],
    own: Mapping[str, Any],
    seed: int,
    *,
    exact: bool,
) -> Parameters:
    """The user's numbers, checked, with group effects drawn.

    Parameters
    ----------
    design
        Of the rows.
    family
        The family.
    mean
        `fixef`, `sd` and `cor` of the mean; in `cor` are also the correlations across parameters,
        in `fixef` the effects on single thresholds, `x[1|2]`.
    own
        Of the family's parameters: numbers, or `fixef`, `sd` and `cor` of those with a formula.
    seed
        Each factor's effects have a stream of their own.
    exact
        Whether effects have just the moments asked for in the sample.
    """
    specific = _by_threshold(design, mean.get("fixef"))
    further = {p: _of_formula(p, own.get(p)) for p in design.further if p not in specific}
    said = {MU: (mean, "")} | {p: (given, f"{p}: ") for p, given in further.items()}
    said |= {p: (given, "") for p, given in specific.items()}
    symbols = () if design.residual is None else design.residual.symbols
    rest = {n: value for n, value in own.items() if n not in further and n not in symbols}
    labels = [names.label(p.parameter, t) for p in design.moving[1:] for t in p.terms]
    sds, cors, found = {}, {}, {}
    across: dict[str, Floats] = {}
    for predictor in design.predictors:
        p = predictor.parameter
        given, where = said[p]
        sds[p] = deviations(predictor, given.get("sd") or {}, where)
        joined = [a.effects for a in design.across] if p == MU else []
        alone = [g for g in predictor.groups if design.joined(g.name) is None]
        cors[p] = correlations([*alone, *joined], given.get("cor") or {}, where)
        across |= {g.name: cors[p].pop(g.name) for g in joined}
    drawn = _drawn(design, sds, cors, across, seed, exact=exact)
    for predictor in design.predictors:
        p = predictor.parameter
        given, where = said[p]
        known = has_intercept(design, family) if p == MU else predictor.intercept
        levels = family.thresholds if p == MU else None
        intercept, slopes = population(
            predictor, given.get("fixef") or {}, where, intercept=known, levels=levels,
            elsewhere=labels if p == MU else (),
        )  # fmt: skip
        found[p] = Coefficients(intercept, slopes, sds[p], cors[p], drawn[p])
    correlated = {} if design.residual is None else residual_values(design.residual, own)
    return Parameters(found, family_values(family, rest, design.further), across, correlated)


def _by_threshold(design: Design, fixef: Any) -> dict[str, dict[str, Any]]:
    """Of category-specific effects what `fixef` says of each threshold's, by its parameter."""
    given = fixef if isinstance(fixef, Mapping) else {}  # which `population` refuses
    out: dict[str, dict[str, Any]] = {}
    for p in design.moving[1:]:
        labels = {t: names.label(p.parameter, t) for t in p.terms}
        out[p.parameter] = {"fixef": {t: given[own] for t, own in labels.items() if own in given}}
    return out


def _of_formula(name: str, value: Any) -> Mapping[str, Any]:
    """What the user said of a parameter with a formula; nothing, its population effects being 0."""
    value = {} if value is None else value
    if not isinstance(value, Mapping):
        raise ModelError(
            f"{name} has a formula of its own, so that its value is a dictionary with keys among "
            f"{', '.join(KEYS)}: {name}={{'fixef': {{'Intercept': ...}}}}, got {value!r}"
        )
    _check_names(name, value, KEYS)
    return value


def _drawn(
    design: Design,
    sds: Mapping[str, Mapping[str, Floats]],
    cors: Mapping[str, Mapping[str, Floats]],
    across: Mapping[str, Floats],
    seed: int,
    *,
    exact: bool = False,
) -> dict[str, dict[str, Floats]]:
    """(J, q) effects by parameter and factor."""
    out: dict[str, dict[str, Floats]] = {p.parameter: {} for p in design.predictors}
    for a in design.across:
        rng = named_stream(seed, f"effects {a.name}")
        sd = np.concatenate([sds[p][a.name] for p, _ in a.members])
        b = effects(a.effects, sd, across[a.name], rng, exact=exact)
        for p, own in a.places.items():
            out[p][a.name] = b[:, own]
    for predictor in design.predictors:
        p = predictor.parameter
        for g in predictor.groups:
            if g.name not in out[p]:
                what = "effects" if p == MU else f"effects on {p}:"
                rng = named_stream(seed, f"{what} {g.name}")
                out[p][g.name] = effects(g, sds[p][g.name], cors[p][g.name], rng, exact=exact)
    return out


def redrawn(design: Design, values: Parameters, seed: int) -> Parameters:
    """The same parameters with group effects drawn anew; the effects that there are stay."""
    of = values.predictors
    sds, cors = ({p: getattr(c, name) for p, c in of.items()} for name in ("sd", "cor"))
    drawn = _drawn(design, sds, cors, values.across, seed)
    return replace(
        values, predictors={p: replace(c, ranef={**drawn[p], **c.ranef}) for p, c in of.items()}
    )


def population(
    predictor: LinearPredictor,
    given: Mapping[str, float],
    where: str = "",
    *,
    intercept: bool,
    levels: str | None = None,
    elsewhere: Sequence[str] = (),
) -> tuple[float, Floats]:
    """Intercept and slopes (p,); what is not given is 0.

    `levels` take the intercept's place; effects called `elsewhere` are those of other predictors.
    """
    terms = predictor.terms
    known = [names.INTERCEPT, *terms] if intercept else list(terms)
    reason = f" (the {levels} take the intercept's place)" if levels else ""
    _check_names(f"{where}fixef", given, [*known, *elsewhere], reason)
    given = {term: value for term, value in given.items() if term in known}
    values = {term: _number(value, f"{where}fixef[{term!r}]") for term, value in given.items()}
    slopes = np.array([values.get(term, 0.0) for term in terms])
    return values.get(names.INTERCEPT, 0.0), slopes


def has_intercept(design: Design, family: Family) -> bool:
    return design.mu.intercept and family.thresholds is None


def deviations(predictor: LinearPredictor, given: Sds, where: str = "") -> dict[str, Floats]:
    """Standard deviations (q,) of every grouping factor's effects; all must be given."""
    groups = {g.name: g for g in predictor.groups}
    _check_names(f"{where}sd", given, list(groups))
    out = {}
    for name, g in groups.items():
        value = given.get(name)
        if value is None:
            raise ModelError(
                f"{where}sd: {name!r} is not given; it has the effects {', '.join(g.sd_terms)}: "
                f"{_remedy(predictor.parameter, name, g)}, or one number for all"
            )
        by_term = value if isinstance(value, Mapping) else dict.fromkeys(g.sd_terms, value)
        _check_names(f"{where}sd[{name!r}]", by_term, g.sd_terms)
        if absent := [t for t in g.sd_terms if t not in by_term]:
            raise ModelError(
                f"{where}sd[{name!r}]: {', '.join(absent)} not given; 0 for no variation"
            )
        own = [_number(by_term[t], f"{where}sd[{name!r}][{t!r}]", 0) for t in g.sd_terms]
        out[name] = np.asarray(g.every_sd(np.array(own)))
    return out


def _remedy(parameter: str, name: str, g: GroupDesign) -> str:
    text = f"{{{name!r}: {{{g.sd_terms[0]!r}: 0.5{', ...' * (len(g.sd_terms) > 1)}}}}}"
    return f"sd={text}" if parameter == MU else f"{parameter}={{'sd': {text}}}"


def correlations(groups: Sequence[GroupDesign], given: Cors, where: str = "") -> dict[str, Floats]:
    """Correlation matrices (q, q); identity where not given.

    A number is that of all pairs, or that of a structure: the correlation of ar1(), the range of
    ou(); several have their names, {"lag 1": 0.5, "lag 2": 0.1}.
    """
    reason = "" if not where else "; correlations across parameters are in the mean's cor"
    _check_names(f"{where}cor", given, [g.name for g in groups], reason)
    return {g.name: _correlation(g, given.get(g.name, 0.0), where) for g in groups}


def _correlation(g: GroupDesign, value: Any, where: str = "") -> Floats:
    name = f"{where}cor[{g.name!r}]"
    q = len(g.terms)
    together = np.zeros((q, q), bool)
    for block in g.blocks:
        together[np.ix_(block, block)] = True
    if g.cor_terms and (isinstance(value, Mapping) or np.ndim(value) == 0):
        value = _of_structure(g, value, name)
    matrix = np.asarray(value, float)
    if matrix.ndim == 0:
        if matrix != 0 and not g.correlated:
            raise ModelError(
                f"{name} = {matrix:g}, but its effects ({', '.join(g.terms)}) are not "
                "correlated in the formula: (x | g) correlates them"
            )
        matrix = np.where(np.eye(q, dtype=bool), 1.0, np.where(together, matrix, 0.0))
    square = matrix.shape == (q, q) and np.array_equal(matrix, matrix.T)
    if not square or (np.diag(matrix) != 1).any():
        raise ModelError(
            f"{name} must be one number or a symmetric {q} x {q} matrix with diagonal 1, "
            f"in the order {', '.join(g.terms)}"
        )
    if (matrix[~together] != 0).any():
        raise ModelError(f"{name} is not 0 for effects that no bar of the formula joins")
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if not smallest > 1e-10:
        raise ModelError(
            f"{name} is no correlation matrix of {q} effects: its smallest eigenvalue is "
            f"{smallest:.3g}, and it must be above 0; take correlations nearer to 0"
        )
    for places in (sorted(b) for b in g.blocks if len(b) > 1):
        own = matrix[np.ix_(places, places)]
        root = g.covariance.root(g.covariance.inverse(own), len(places))
        if not np.allclose(root @ root.T, own, atol=1e-8):
            raise ModelError(
                f"{name} has not the structure {g.covariance.name}(... | {g.name}) of the "
                "formula; write (... | g) for any correlations"
            )
    return matrix


def _of_structure(g: GroupDesign, value: Any, name: str) -> Floats:
    """(q, q) from the numbers that a structure has of the correlations; 0: there are none."""
    labels = [label for _, label in g.cor_terms]
    given = value if isinstance(value, Mapping) else dict.fromkeys(labels, value)
    _check_names(name, given, labels)
    if absent := [label for label in labels if label not in given]:
        raise ModelError(f"{name}: {', '.join(absent)} not given")
    found = np.array([_number(given[label], f"{name}[{label!r}]") for label in labels])
    if not found.any():
        return np.eye(len(g.terms))
    if g.covariance.kind != "cor" and (found <= 0).any():
        raise ModelError(f"{name}: {', '.join(labels)} must be above 0")
    return g.every_cor(found)


def family_values(
    family: Family, given: Mapping[str, Any], further: Sequence[str] = ()
) -> dict[str, Floats]:
    """Values of the family's parameters that have no formula; sigma is 1 where it is not given."""
    values = dict(given)
    known = [p.name for p in family.declared if not p.optional and p.name not in further]
    if names.SIGMA in known:
        values.setdefault(names.SIGMA, 1.0)
    _check_names(f"the {family.name} family", values, known)
    if absent := [name for name in known if name not in values]:
        raise ModelError(
            f"the {family.name} family needs a value of {', '.join(absent)}: {absent[0]}=..."
        )
    out = {}
    for name, value in values.items():
        if name == family.thresholds:
            out[name] = thresholds(value, ordered=family.ordered)
        else:
            real = family.parameter(name).real
            out[name] = np.asarray(_number(value, name, -np.inf if real else 0))
            if out[name] == 0 and not real:
                raise ModelError(f"{name} must be greater than 0")
            if out[name] >= 1 and isinstance(family.parameter_link(name), ShareLink):
                raise ModelError(f"{name} is a share, and must be less than 1, got {value!r}")
    return out


def thresholds(value: Any, *, ordered: bool) -> Floats:
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
    if g.law.estimated:
        raise ModelError(
            f"the effects over {g.name} are {g.law.name}, and {' and '.join(g.law.estimated)} is "
            f'not given: write gr({g.name}, law="{g.law.name}", {g.law.estimated[0]}=4)'
        )
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
