"""A Bambi model in this package's words: formula, family, priors, draws."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import distributions, names
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor
from mixedbayes.distributions import Flat, Prior
from mixedbayes.errors import MixedBayesError, ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.chosen import taken
from mixedbayes.families.registry import FAMILIES, family_from_names
from mixedbayes.formula import parse_expression
from mixedbayes.formula.nodes import Call, column, unparse
from mixedbayes.interop import mirror
from mixedbayes.model.coords import model_coords
from mixedbayes.model.spec import Spec

# Families by Bambi's names, but for those whose formula there is that of several predictors here.
OURS = {
    kind.elsewhere.bambi: kind
    for kind in FAMILIES.values()
    if kind.elsewhere.bambi and kind.elsewhere.bambi_link is None
}

_NUMPY = re.compile(r"\b(?:np|numpy)\.(?=\w)")
_SHARES = ("p", "prop", "proportion")
_POSITIVE = {"HalfFlat": "Flat"}


@dataclass(frozen=True)
class Translation:
    """The arguments of our Model besides the data and the priors."""

    formulas: tuple[str, ...]  # of the mean, then of further parameters
    family: Family
    parameters: Mapping[str, str]  # Bambi's name of every parameter -> ours, "mu" among them


def translated(model: Any) -> Translation:
    """Formula and family of a bambi.Model.

    Bambi has no correlations between group effects, so that its `(x | g)` is our `(x || g)`.

    Raises
    ------
    ModelError
        If something in it has no counterpart here; the message names it.
    """
    family, own = _family(model)
    parent = model.family.likelihood.parent
    parameters = {parent: "mu", **own}
    if model.potentials:
        raise ModelError(f"the Bambi model has {len(model.potentials)} potential(s), and we none")
    main = f"{_response(model, family)} ~ {_right(model.parameters[parent])}"
    formulas = [main]
    for name, component in model.parameters.items():
        if name == parent or not hasattr(component, "terms"):
            continue
        if own[name] in family.elsewhere.bambi_rest and component.offset_terms:
            raise ModelError(
                f"{name} of Bambi's model is 1 - {own[name]} here, and has an offset, which would "
                "have the other sign: make minus that a column of its own in Bambi's model"
            )
        formulas.append(f"{own[name]} ~ {_right(component)}")
    return Translation(tuple(formulas), family, parameters)


def _family(model: Any) -> tuple[Family, Mapping[str, str]]:
    theirs = model.family.name
    if theirs not in OURS:
        raise ModelError(
            f"Bambi's family {theirs!r} has no counterpart here, which are: {', '.join(OURS)}"
        )
    kind = OURS[theirs]
    own = {b: a for a, b in kind.elsewhere.bambi_parameters.items()}
    parent, links = model.family.likelihood.parent, model.family.link
    chosen = {own[name]: links[name].name for name in _with_formulas(model) if name in own}
    for name, p in own.items():
        if p in chosen:
            _check_link(kind, name, p, chosen[p])
    return family_from_names(kind.name, links[parent].name, chosen=chosen), own


def _with_formulas(model: Any) -> Iterator[str]:
    """Further parameters with formulas, by Bambi's names."""
    for name, component in model.parameters.items():
        if name != model.family.likelihood.parent and hasattr(component, "terms"):
            yield name


def _check_link(family: type[Family], name: str, own: str, theirs: str) -> None:
    p = next(p for p in family.declared if p.name == own)
    mirrored = own in family.elsewhere.bambi_rest
    known = [kind.name for kind in taken(p) if not mirrored or getattr(kind, "symmetric", True)]
    if theirs not in known:
        shown = " or ".join(known)
        of = f"of {own}, which is 1 - {name}, is" if mirrored else "is"
        raise ModelError(f"the link of {name} is {theirs} in Bambi's model; here that {of} {shown}")


# ---- formula ----------------------------------------------------------------------------------


def _response(model: Any, family: Family) -> str:
    """The left side: `y`, `y | trials(n)`, `y | weights(w)`."""
    term = model.response_term
    for kind in ("censored", "truncated", "constrained"):
        if getattr(term, f"is_{kind}"):
            raise ModelError(f"the response {term.name} is {kind}, which no family here is")
    components = term.term.components
    if len(components) != 1:
        raise ModelError(f"the response {term.name!r} of Bambi's model is no single column")
    node = _node(components[0])
    if not isinstance(node, Call) or node.function not in (*_SHARES, "weighted"):
        return unparse(node)
    first, *rest = map(unparse, node.arguments)
    if node.function in _SHARES:
        return f"{first} | trials({rest[0]})"
    if not family.repeats_rows:
        raise ModelError(
            f"{term.name}: in Bambi a weight multiplies a row's log density, while here the weights"
            f" of the {family.name} family divide a row's variance"
        )
    return f"{first} | weights({rest[0]})"


def _right(component: Any) -> str:
    """The right side of one component's formula, one bar for each grouping factor."""
    if component.hsgp_terms:
        raise ModelError(f"{', '.join(component.hsgp_terms)}: Gaussian processes are not here")
    parts = ["1" if component.intercept_term else "0"]
    for term in (*component.common_terms.values(), *component.offset_terms.values()):
        parts.append(_term(term.term.components))
    bars: dict[str, list[str]] = {}
    for term in component.group_specific_terms.values():
        factor = ":".join(column(c.name) for c in term.term.factor.components)
        intercept = term.kind == "intercept"
        bars.setdefault(factor, []).append("1" if intercept else _term(term.term.expr.components))
    for factor, effects in bars.items():
        first = [] if "1" in effects else ["0"]
        bar = "|" if effects == ["1"] else "||"
        parts.append(f"({' + '.join([*first, *effects])} {bar} {factor})")
    return " + ".join(parts)


def _term(components: Iterable[Any]) -> str:
    return ":".join(unparse(_node(c)) for c in components)


def _node(component: Any) -> Any:
    """A variable or a call of formulae, as our parser reads it."""
    name = component.name
    if not hasattr(component, "call"):
        name = column(name)
    try:
        return parse_expression(_NUMPY.sub("", name))
    except MixedBayesError as e:
        raise ModelError(f"{component.name!r} of Bambi's formula is not read here: {e}") from e


# ---- priors -----------------------------------------------------------------------------------


def prior_of(theirs: Any, what: str, at: int | None = None) -> Prior:
    """A bambi.Prior as ours; of a vector of coefficients the prior of one.

    Raises
    ------
    ModelError
        If it is no distribution that we have, with numbers for arguments.
    """
    name = getattr(theirs, "name", None)
    if name is None or getattr(theirs, "dist", None) is not None:
        raise ModelError(f"{what} is {theirs} in Bambi's model, and a prior of a known kind here")
    kind = getattr(distributions, _POSITIVE.get(name, name), None)
    if not (isinstance(kind, type) and issubclass(kind, Prior)):
        raise ModelError(f"{what}: the prior {theirs} of Bambi's model has no counterpart here")
    if kind is Flat:
        return Flat()
    arguments = {k: _number(v, what, at) for k, v in theirs.args.items()}
    if name == "Gamma" and arguments.keys() == {"mu", "sigma"}:
        mu, sigma = arguments["mu"], arguments["sigma"]
        arguments = {"alpha": (mu / sigma) ** 2, "beta": mu / sigma**2}
    try:
        return kind(**arguments)
    except TypeError as e:
        raise ModelError(f"{what}: the prior {theirs} is parametrised in another way here") from e


def _number(value: Any, what: str, at: int | None) -> float:
    try:
        values = np.asarray(value, float)
    except (TypeError, ValueError) as e:
        raise ModelError(f"{what}: {value} in its prior is no number") from e
    return float(values if values.ndim == 0 else values.ravel()[at or 0])


def spread_of(theirs: Any, what: str, at: int | None = None) -> Prior:
    """The prior of the sd in Normal(0, sd), which is what group effects have here."""
    mean = theirs.args.get("mu", 0.0)
    centred = not hasattr(mean, "args") and not np.any(np.asarray(mean))
    if theirs.name != "Normal" or not centred or not hasattr(theirs.args.get("sigma"), "args"):
        raise ModelError(f"{what}: its effects are {theirs} in Bambi's model, here Normal(0, sd)")
    return prior_of(theirs.args["sigma"], f"sd of {what}", at)


def nested(found: Sequence[tuple[str, str, Any, Any]]) -> dict[str, Any]:
    """Priors as Model takes them, from (parameter, key, term or group and term, prior)."""
    out: dict[str, Any] = {}
    for parameter, key, term, prior in found:
        place = out if parameter == "mu" else out.setdefault(parameter, {})
        if key == names.INTERCEPT or term is None:
            place[key] = prior
        elif key == "sd":
            group, effect = term
            place.setdefault(key, {}).setdefault(group, {})[effect] = prior
        else:
            place.setdefault(key, {})[term] = prior
    return out


# ---- parameters found by their columns, and draws ----------------------------------------------
# Nothing is matched by name: a coefficient is ours if its column has the same numbers in every row,
# and a level is ours if it has the same rows.


CLOSE = 1e-9  # of a column's largest number
ATTRS = (
    "created_at", "creation_library", "creation_library_version", "inference_library",
    "inference_library_version", "sampling_time", "tuning_steps", "modeling_interface",
    "modeling_interface_version",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where one coefficient is in Bambi's posterior: a variable, and a place in it."""

    variable: str
    at: int | None  # of a term with several columns
    term: Any  # Bambi's


@dataclass(frozen=True)
class Placed:
    """One linear predictor: a place for each of our terms, by grouping factor for the bars."""

    intercept: Place | None
    fixef: tuple[Place, ...]
    groups: Mapping[str, tuple[Place, ...]]
    levels: Mapping[str, Mapping[str, NDArray[np.intp]]]  # factor -> variable -> their codes


@dataclass(frozen=True)
class Matched:
    """A whole model: predictors by our parameter's name, and its constant parameters."""

    predictors: Mapping[str, Placed]
    constants: Mapping[str, tuple[str, Any]]  # ours -> Bambi's variable and prior
    centred: bool  # whether the intercept's prior is at the columns' means
    rest: tuple[str, ...] = ()  # our shares of which Bambi's are the rest


def matched(model: Any, said: Translation, design: Design) -> Matched:
    """Every parameter of a Bambi model among those of our design.

    Raises
    ------
    ModelError
        If the response or a column differs; the message names the term.
    """
    _check_response(model, design)
    predictors, constants = {}, {}
    for theirs, component in model.parameters.items():
        ours = said.parameters.get(theirs)
        if ours is None:
            raise ModelError(f"the parameter {theirs} of Bambi's model has no counterpart here")
        if hasattr(component, "terms"):
            predictor = design.predictor(ours)
            predictors[ours] = _predictor(component, predictor)
        else:
            constants[ours] = (component.alias or component.name, component.prior)
    rest = said.family.elsewhere.bambi_rest
    return Matched(predictors, constants, bool(model.center_predictors), rest)


def _check_response(model: Any, design: Design) -> None:
    data = np.asarray(model.response_term.data, float)
    y = data.reshape(len(data), -1)
    ours = [design.y] if design.trials is None else [design.y, design.trials.astype(float)]
    if len(y) != design.n or not all(_same(y[:, k], o) for k, o in enumerate(ours)):
        raise ModelError(
            f"the response {model.response_term.name} has other numbers in Bambi's model "
            f"({len(y)} rows, here {design.n}): where it is a category, make it True and False"
        )


def _same(a: Floats, b: Floats) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=CLOSE * np.abs(b).max()))


def _predictor(component: Any, ours: LinearPredictor) -> Placed:
    common = [p for term in component.common_terms.values() for p in _places(term, term.data)]
    groups, levels = {}, {}
    for g in ours.factors:
        own = [t for t in component.group_specific_terms.values() if _factors(t) == g.factors]
        columns = [p for term in own for p in _places(term, term.predictor)]
        groups[g.name] = _match(columns, g.Z, g.terms)
        levels[g.name] = {_alias(term): _codes(term, g) for term in own}
    intercept = component.intercept_term
    return Placed(
        Place(_alias(intercept), None, intercept) if intercept else None,
        _match(common, ours.X, ours.terms),
        groups,
        levels,
    )


def _alias(term: Any) -> str:
    return str(term.alias or term.name)


def _factors(term: Any) -> tuple[str, ...]:
    return tuple(c.name for c in term.term.factor.components)


def _places(term: Any, data: Any) -> Iterator[tuple[Place, Floats]]:
    """A place and a column (n,) for each coefficient of a term."""
    values = np.asarray(data, float)
    if values.ndim == 1:
        vector = bool(_vector_dims(term))
        yield Place(_alias(term), 0 if vector else None, term), values
        return
    for at in range(values.shape[1]):
        vector = values.shape[1] > 1 or bool(_vector_dims(term))
        yield Place(_alias(term), at if vector else None, term), values[:, at]


def _vector_dims(term: Any) -> list[str]:
    return [d for d in term.coords if not d.endswith("__factor_dim")]


def _match(
    theirs: list[tuple[Place, Floats]], ours: Floats, terms: tuple[str, ...]
) -> tuple[Place, ...]:
    """The place of each of our columns (n, p); every one of theirs is used once."""
    left = list(theirs)
    out = []
    for values, term in zip(ours.T, terms, strict=True):
        k = next((k for k, (_, own) in enumerate(left) if _same(own, values)), None)
        if k is None:
            near = ", ".join(dict.fromkeys(p.term.name for p, _ in left)) or "none is left"
            raise ModelError(
                f"no column of Bambi's model has the numbers of {term} here (among: {near}); make "
                "it a column of the data in both"
            )
        out.append(left.pop(k)[0])
    if left:
        raise ModelError(f"{left[0][0].term.name} of Bambi's model has a column that is not here")
    return tuple(out)


def _codes(term: Any, g: GroupDesign) -> NDArray[np.intp]:
    """(J,) Bambi's code of each of our levels, those with the same rows."""
    theirs = np.asarray(term.group_index)
    _, first = np.unique(g.refs, return_index=True)
    codes = theirs[first]
    if not np.array_equal(codes[g.refs], theirs) or len(set(codes.tolist())) != g.n_levels:
        raise ModelError(f"the levels of {g.name} have other rows in Bambi's model")
    return codes


def priors(found: Matched, design: Design) -> dict[str, Any]:
    """Bambi's priors as Model takes them."""
    rows: list[tuple[str, str, Any, Any]] = []
    for parameter, placed in found.predictors.items():
        predictor = design.predictor(parameter)
        ours = mirror.of_effect if parameter in found.rest else _as_it_is
        if placed.intercept:
            own = ours(prior_of(placed.intercept.term.prior, names.INTERCEPT))
            rows.append((parameter, names.INTERCEPT, None, own))
        for term, p in zip(predictor.terms, placed.fixef, strict=True):
            rows.append((parameter, names.FIXEF, term, ours(prior_of(p.term.prior, term, p.at))))
        for g in predictor.factors:
            for term, p in zip(g.terms, placed.groups[g.name], strict=True):
                spread = spread_of(p.term.prior, f"{term} over {g.name}", p.at)
                rows.append((parameter, "sd", (g.name, term), spread))
    for name, (_, p) in found.constants.items():
        ours = mirror.of_share if name in found.rest else _as_it_is
        rows.append(("mu", name, None, ours(prior_of(p, name))))
    return nested(rows)


def _as_it_is(prior: Prior) -> Prior:
    return prior


def draws(found: Matched, spec: Spec, posterior: xr.Dataset) -> xr.Dataset:
    """Bambi's draws under our names, dimensions and labels; values are taken as they are.

    Of a share of which Bambi's is the rest, psi = 1 - zi, the draws are those of 1 - psi, and of
    effects with the other sign.

    Raises
    ------
    ModelError
        If a variable is not in the posterior.
    """
    out: dict[str, tuple[tuple[str, ...], Floats]] = {}
    for name, (variable, _) in found.constants.items():
        values = _values(posterior, variable)
        out[name] = (_DIMS, 1.0 - values if name in found.rest else values)
    for parameter, placed in found.predictors.items():
        sign = -1.0 if parameter in found.rest else 1.0
        out |= _of_predictor(placed, spec, parameter, posterior, sign)
    used = {d for dims, _ in out.values() for d in dims}
    coords = {k: np.asarray(v) for k, v in model_coords(spec).items() if k in used}
    coords |= {d: posterior[d].to_numpy() for d in _DIMS}
    attrs = {k: posterior.attrs[k] for k in ATTRS if k in posterior.attrs}
    return xr.Dataset(out, coords, attrs)


_DIMS = (names.CHAIN, names.DRAW)


def _of_predictor(
    placed: Placed, spec: Spec, parameter: str, posterior: xr.Dataset, sign: float
) -> Iterator[tuple[str, tuple[tuple[str, ...], Floats]]]:
    predictor = spec.design.predictor(parameter)
    if placed.intercept:
        values = sign * _values(posterior, placed.intercept.variable)
        yield names.intercept(parameter), (_DIMS, values)
    if placed.fixef:
        columns = [sign * _coefficient(posterior, p) for p in placed.fixef]
        values = np.stack(columns, axis=-1)
        yield names.fixef(parameter), ((*_DIMS, names.term_dim(parameter)), values)
    for g in predictor.factors:
        places = placed.groups[g.name]
        term_dim = names.group_term_dim(g.name, parameter)
        sds = np.stack([_sd(posterior, p) for p in places], axis=-1)
        yield names.sd(g.name, parameter), ((*_DIMS, term_dim), sds)
        effects = [
            sign * _coefficient(posterior, p)[..., placed.levels[g.name][p.variable]]
            for p in places
        ]
        dims = (*_DIMS, names.group_dim(g.name), term_dim)
        yield names.ranef(g.name, parameter), (dims, np.stack(effects, axis=-1))


def _values(posterior: xr.Dataset, variable: str) -> Floats:
    """(chain, draw, ...) with the levels of a grouping factor last."""
    if variable not in posterior:
        raise ModelError(
            f"the posterior has no {variable!r}, which the Bambi model has; its variables are "
            f"{', '.join(map(str, posterior.data_vars))}"
        )
    x = posterior[variable]
    levels = [d for d in x.dims if str(d).endswith("__factor_dim")]
    return np.asarray(x.transpose(*_DIMS, ..., *levels).to_numpy(), float)


def _coefficient(posterior: xr.Dataset, place: Place) -> Floats:
    """(chain, draw), or (chain, draw, levels) of a group effect."""
    values = _values(posterior, place.variable)
    return values if place.at is None else values[:, :, place.at]


def _sd(posterior: xr.Dataset, place: Place) -> Floats:
    suffix = place.term.hyperprior_alias.get("sigma", "sigma")
    values = _values(posterior, f"{place.variable}_{suffix}")
    return values if place.at is None else values[:, :, place.at]
