"""A model for Bambi: as code, and as an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixedbayes import names
from mixedbayes.errors import MissingExtraError, ModelError
from mixedbayes.formula import parse_expression, parse_terms
from mixedbayes.formula.nodes import Name, column
from mixedbayes.model.spec import Spec
from mixedbayes.priors.distributions import Flat, Prior
from mixedbayes.teach.columns import check_columns

# Families, and their parameters by ours, as Bambi calls them.
FAMILIES: dict[str, tuple[str, dict[str, str]]] = {
    "gaussian": ("gaussian", {"sigma": "sigma"}),
    "student_t": ("t", {"sigma": "sigma", "nu": "nu"}),
    "gamma": ("gamma", {"shape": "alpha"}),
    "beta": ("beta", {"phi": "kappa"}),
    "bernoulli": ("bernoulli", {}),
    "binomial": ("binomial", {}),
    "poisson": ("poisson", {}),
    "negative_binomial": ("negativebinomial", {"shape": "alpha"}),
}

type Value = float | list[float] | Described


@dataclass(frozen=True)
class Described:
    """A prior as Bambi has it: name and arguments, which may be priors themselves."""

    name: str
    arguments: dict[str, Value]

    def text(self) -> str:
        shown = [
            f"{k}={v.text() if isinstance(v, Described) else repr(v)}"
            for k, v in self.arguments.items()
        ]
        return f"bmb.Prior({', '.join([repr(self.name), *shown])})"

    def build(self, bambi: Any) -> Any:
        made = {
            k: v.build(bambi) if isinstance(v, Described) else np.asarray(v)
            for k, v in self.arguments.items()
        }
        return bambi.Prior(self.name, **made)


@dataclass(frozen=True)
class BambiModel:
    """The arguments of bambi.Model besides the data."""

    formula: str
    family: str
    link: str
    priors: dict[str, Described]
    center: bool

    def text(self) -> str:
        priors = [f"        {name!r}: {prior.text()}," for name, prior in self.priors.items()]
        return "\n".join(
            [
                "import bambi as bmb",
                "",
                "model = bmb.Model(",
                f"    {self.formula!r},",
                "    data,",
                f"    family={self.family!r},",
                f"    link={self.link!r},",
                f"    center_predictors={self.center},",
                "    priors={",
                *priors,
                "    },",
                ")",
            ]
        )


def bambi_code(spec: Spec) -> str:
    """Code that makes the model in Bambi, with its priors."""
    return described(spec).text()


def to_bambi(spec: Spec, data: Any) -> Any:
    """The model as a bambi.Model, not yet built.

    Raises
    ------
    MissingExtraError
        If Bambi is not installed.
    ModelError
        If Bambi cannot express the model, such as correlated group effects.
    """
    wanted = described(spec)
    try:
        import bambi
    except ImportError as e:
        raise MissingExtraError("to_bambi() needs Bambi: pip install mixedbayes[bambi]") from e
    return bambi.Model(
        wanted.formula,
        spec.design.used(data),
        family=wanted.family,
        link=wanted.link,
        center_predictors=wanted.center,
        priors={name: prior.build(bambi) for name, prior in wanted.priors.items()},
    )


def described(spec: Spec) -> BambiModel:
    """What to pass to bambi.Model; ModelError where Bambi cannot express it."""
    _check(spec)
    design, priors = spec.design, spec.priors.mu
    family, own = FAMILIES[spec.family.name]
    common, found = _population(spec)
    if priors.intercept is not None:
        found = {names.INTERCEPT: _described(priors.intercept.prior)} | found
    bars = []
    for g in design.mu.groups:
        group = ":".join(map(column, g.factors))
        for term, assigned in zip(g.terms, priors.sd[g.name], strict=True):
            effect = "1" if term == names.INTERCEPT else term
            bars.append(f"(1|{group})" if effect == "1" else f"(0 + {column(effect)}|{group})")
            spread = _described(assigned.prior, positive=True)
            found[f"{effect}|{g.name}"] = Described("Normal", {"mu": 0.0, "sigma": spread})
    for name, assigned in spec.priors.parameters.items():
        found[own[name]] = _described(assigned.prior, positive=True)
    formula = f"{_response(spec)} ~ {' + '.join([*common, *bars])}"
    center = priors.intercept is None or priors.intercept_at_means
    return BambiModel(formula, family, spec.family.link.name, found, center)


def _check(spec: Spec) -> None:
    design = spec.design
    if spec.family.name not in FAMILIES:
        raise ModelError(
            f"the {spec.family.name} family is not written for Bambi; it has its own or none"
        )
    check_columns(spec, "Bambi")
    priors = spec.priors.mu
    if priors.population is not None:
        moved = [t for k, t in enumerate(priors.terms) if priors.population.moves(k)]
        raise ModelError(
            f"the default priors of {', '.join(moved)} are placed where the other columns are at "
            "their means, and Bambi has them at zero: give priors for the population effects, such "
            "as priors={'fixef': mb.Normal(0, 10)}"
        )
    for g in design.mu.groups:
        if g.correlated:
            raise ModelError(
                f"Bambi has no correlations between group effects, and those of {g.name} "
                f"({', '.join(g.terms)}) are correlated here: write (x || {g.name})"
            )
        if odd := [t for t in g.terms if not _is_column(t) and t != names.INTERCEPT]:
            raise ModelError(f"{odd[0]} varies over {g.name}; for Bambi make it a numeric column")
    if design.weights is not None or design.mu.offset is not None or design.others:
        raise ModelError(
            "weights(), offset() and formulas of further parameters are not written for Bambi"
        )


def _is_column(term: str) -> bool:
    return "[" not in term and "(" not in term


def _population(spec: Spec) -> tuple[list[str], dict[str, Described]]:
    """Terms of the population part, and the priors of the columns that each of them makes."""
    design, priors = spec.design, spec.priors.mu
    terms = parse_terms(design.formula.fixed)
    left = dict(zip(priors.terms, (a.prior for a in priors.fixef), strict=True))
    common, found = ["1" if terms.intercept else "0"], {}
    for term in terms.terms:
        text = str(term)
        plain = ":".join(f.name if isinstance(f, Name) else text for f in term.factors)
        coded = [t for t in left if t.startswith(f"{plain}[")]
        alone = len(term.factors) == 1 and isinstance(term.factors[0], Name)
        if plain in left and all(isinstance(f, Name) for f in term.factors):
            found[plain] = _described(left.pop(plain))
        elif alone and coded and terms.intercept:
            found[plain] = _vector([left.pop(t) for t in coded], plain)
        else:
            raise ModelError(
                f"what Bambi calls the columns of {text!r} is not known here: make it a numeric "
                "column of the data, or a category of its own beside an intercept"
            )
        common.append(text)
    return common, found


def _response(spec: Spec) -> str:
    response = spec.design.formula.response
    parts = [response.text] if response.trials is None else [response.text, response.trials]
    if not all(isinstance(parse_expression(p), Name) for p in parts):
        raise ModelError(f"the response {response.text!r} must be a column of its own for Bambi")
    return parts[0] if len(parts) == 1 else f"p({', '.join(parts)})"


def _described(prior: Prior, *, positive: bool = False) -> Described:
    if positive and isinstance(prior, Flat):
        return Described("HalfFlat", {})
    name, arguments = prior.pymc()
    return Described(name, {k: _number(v) for k, v in arguments.items()})


def _vector(priors: Sequence[Prior], term: str) -> Described:
    """One prior for the columns of a category, with an argument for each."""
    kinds = [p.pymc() for p in priors]
    if len({name for name, _ in kinds}) > 1:
        raise ModelError(f"for Bambi all columns of {term} need priors of one kind")
    name, first = kinds[0]
    return Described(name, {k: [_number(a[k]) for _, a in kinds] for k in first})


def _number(value: float) -> float:
    return float(f"{float(value):.12g}")
