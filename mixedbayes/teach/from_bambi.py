"""A Bambi model in this package's words: formula, family, priors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.errors import MixedBayesError, ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.registry import FAMILIES, family_from_names
from mixedbayes.formula import parse_expression
from mixedbayes.formula.nodes import Call, column, unparse
from mixedbayes.priors import distributions
from mixedbayes.priors.distributions import Flat, Prior

# Families by Bambi's names.
OURS = {kind.elsewhere.bambi: kind for kind in FAMILIES.values() if kind.elsewhere.bambi}

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
        _check_link(model, family, name, own)
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
    return family_from_names(kind.name, model.family.link[model.family.likelihood.parent].name), own


def _check_link(model: Any, family: Family, name: str, own: Mapping[str, str]) -> None:
    theirs, ours = model.family.link[name].name, family.parameter_link(own[name]).name
    if theirs != ours:
        raise ModelError(f"the link of {name} is {theirs} in Bambi's model, and {ours} here")


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
