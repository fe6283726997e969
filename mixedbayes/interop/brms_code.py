"""A model as a call of R's brms, with its priors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, GroupDesign, LinearPredictor
from mixedbayes.distributions import LKJ, Flat, Prior
from mixedbayes.errors import FormulaError, ModelError
from mixedbayes.formula import Formula, parse_expression
from mixedbayes.formula.nodes import Call
from mixedbayes.interop.r_formula import (
    r_bar,
    r_columns,
    r_name,
    r_offsets,
    r_string,
    r_terms,
    r_text,
)
from mixedbayes.interop.writing import check_columns, parts
from mixedbayes.model.spec import Spec
from mixedbayes.priors.types import Assigned, PredictorPriors

# Priors by Stan's names, on parameters whose bounds Stan knows; arguments by ours.
STAN: dict[str, tuple[str, tuple[str | float, ...]]] = {
    "Normal": ("normal", ("mu", "sigma")),
    "StudentT": ("student_t", ("nu", "mu", "sigma")),
    "Cauchy": ("cauchy", ("alpha", "beta")),
    "HalfNormal": ("normal", (0.0, "sigma")),
    "HalfStudentT": ("student_t", ("nu", 0.0, "sigma")),
    "HalfCauchy": ("cauchy", (0.0, "beta")),
    "Exponential": ("exponential", ("lam",)),
    "Gamma": ("gamma", ("alpha", "beta")),
    "InverseGamma": ("inv_gamma", ("alpha", "beta")),
    "Uniform": ("uniform", ("lower", "upper")),
}
_LEVEL = re.compile(r"(?P<name>.*?)(?:\[(?P<level>[^\]]*)\])?", re.DOTALL)
# What brms makes of signs in names, by its function rename().
_SPELLED = dict.fromkeys(" ()[],\"'?", "")
_SPELLED |= {"+": "P", "-": "M", "*": "MU", "/": "D", "^": "E", "=": "EQ"}


def brms_code(spec: Spec) -> str:
    """`brm` with formula, family and every prior.

    The default prior of the intercept or of thresholds is at the columns' means, as that of brms's
    class Intercept; one given by the user is at zero, for which brms has the formula ``0 +
    Intercept``, and ``center = FALSE`` for thresholds. Where rows count several times or have
    several trials the means are others than brms's, and zero is put there in the columns.
    """
    design, family = spec.design, spec.family
    check_columns(spec, "brms")
    if family.elsewhere.brms is None:
        raise ModelError(f"brms has no {family.name} family")
    if design.formula.response.weights is not None and not family.repeats_rows:
        raise ModelError(
            f"weights() of the {family.name} family divide a row's variance; brms's count a row "
            "several times, which is another model"
        )
    at_zero, means = _at_zero(spec), _means(spec)
    own = at_zero and design.mu.intercept
    head: Callable[[str], str] = (lambda _: "0 + Intercept") if own else (lambda first: first)
    placed = placed_columns(design.formula, design.mu, spec.priors.mu, head, means=means)
    formula = f"{_response(spec)} ~ {placed.right}"
    more = [f"{name} = {value:.12g}" for name, value in family.fixed.items()]
    more += ["center = FALSE"] * (at_zero and not own)
    if more:
        formula = f"bf({', '.join([formula, *more])})"
    about = ["# columns at their means, as the default priors are"] if placed.lines else []
    lines = [
        "library(brms)",
        *r_columns(design),
        *about,
        *placed.lines,
        "brm(",
        f"  {formula},",
        "  data = data,",
        f'  family = {family.elsewhere.brms}(link = "{family.link.name}"),',
        "  prior = c(",
        ",\n".join(f"    {p}" for p in _priors(spec, own, placed)),
        "  )",
        ")",
    ]
    return "\n".join(lines)


def _at_zero(spec: Spec) -> bool:
    """Whether the prior of the intercept or thresholds is where the columns as written are zero."""
    if not spec.design.mu.terms:
        return False
    if _means(spec) is not None:
        return True
    priors = spec.priors.mu
    given = any(spec.priors.parameters[name].given for name in _levels(spec))
    return given or (priors.intercept is not None and not priors.intercept_at_means)


def _means(spec: Spec) -> Floats | None:
    """(p,) the means that the priors are at, where they are not those of the columns' rows."""
    mu, priors = spec.design.mu, spec.priors.mu
    there = any(not spec.priors.parameters[name].given for name in _levels(spec))
    there = there or (priors.intercept is not None and priors.intercept_at_means)
    alike = np.allclose(mu.means, mu.X.mean(axis=0), rtol=1e-12, atol=0)
    return mu.means if there and not alike else None


def _levels(spec: Spec) -> list[str]:
    """Parameters in the intercept's place."""
    return [name for name in spec.priors.parameters if name == spec.family.thresholds]


def _response(spec: Spec) -> str:
    response = spec.design.formula.response
    y, more = r_text(parse_expression(response.text)), []
    if response.trials is not None:
        more.append(f"trials({r_text(parse_expression(response.trials))})")
    if response.weights is not None:
        more.append(f"weights({r_text(parse_expression(response.weights))})")
    if response.cens:
        more.append(f"cens({', '.join(r_text(parse_expression(t)) for t in response.cens)})")
    bounds = [
        f"{name} = {r_text(parse_expression(text))}"
        for name, text in zip(("lb", "ub"), response.trunc, strict=True)
        if text is not None
    ]
    if bounds:
        more.append(f"trunc({', '.join(bounds)})")
    if response.se is not None:
        adds = ", sigma = TRUE" if response.se_adds else ""
        more.append(f"se({r_text(parse_expression(response.se))}{adds})")
    return f"{y} | {' + '.join(more)}" if more else y


def _priors(spec: Spec, own: bool, placed: PlacedColumns) -> list[str]:
    priors, out = spec.priors.mu, []
    if priors.intercept is not None:
        place = {"class": "b", "coef": names.INTERCEPT} if own else {"class": "Intercept"}
        out += _set(priors.intercept, **place)
    # A prior of the whole class is that of a flat intercept as well.
    flat = own and priors.intercept is not None and isinstance(priors.intercept.prior, Flat)
    out += _each(priors.fixef, priors.terms, {"class": "b"}, placed.names.get("", {}), apart=flat)
    for group, sds in priors.sd.items():
        place = {"class": "sd", "group": group}
        out += _each(sds, priors.group_terms[group], place, placed.names.get(group, {}))
    for group, prior in priors.cor.items():
        out += _set(prior, **{"class": "cor", "group": group})
    for name, prior in spec.priors.parameters.items():
        # brms's intercepts of ordered categories are the thresholds.
        kind = "Intercept" if name == spec.family.thresholds else name
        out += _set(prior, **{"class": kind})
    return out


def _each(
    priors: Sequence[Assigned],
    terms: Sequence[str],
    place: dict[str, str],
    placed: Mapping[str, str],
    *,
    apart: bool = False,
) -> list[str]:
    """One line where all have one prior, else one for each coefficient, as with `apart`."""
    if len({a.prior for a in priors}) == 1 and not apart:
        return _set(priors[0], **place)
    return [
        line
        for prior, term in zip(priors, terms, strict=True)
        for line in _set(prior, **place, coef=placed.get(term) or _coef(term))
    ]


def _coef(term: str) -> str:
    """brms's name of a coefficient: "age_c", "MachineB" for "Machine[B]", "IxE2" for "I(x**2)".

    It is R's name of the column, in which brms leaves signs out or spells them.
    """
    name = ":".join(map(_column, parts(term)))
    for sign, spelled in _SPELLED.items():
        name = name.replace(sign, spelled)
    return name


def _column(part: str) -> str:
    """One factor of a term as R names its column."""
    found = _LEVEL.fullmatch(part)
    assert found is not None
    text, level = found["name"], found["level"]
    if r_name(text) == text and "\\" not in (level or ""):
        return text + (level or "")
    try:
        node = parse_expression(text)
    except FormulaError:
        node = None
    if isinstance(node, Call) and (level is None or node.function == "poly"):
        return r_text(node) + (level or "")
    raise ModelError(
        f"what brms calls the coefficient of {part!r} is not known here: give its factor's "
        "effects one prior for all, or make it a column of the data whose name has letters, "
        "digits, `.` and `_` only"
    )


def _set(assigned: Assigned, **place: str) -> list[str]:
    """set_prior(...); nothing for a flat prior on a coefficient, which is brms's own default."""
    prior = assigned.prior
    if isinstance(prior, Flat):
        if place["class"] == "b":
            return []
        return [_call("", place)]
    return [_call(stan(prior), place)]


def _call(text: str, place: dict[str, str]) -> str:
    where = ", ".join(f'{key} = "{value}"' for key, value in place.items())
    return f'set_prior("{text}", {where})'


def stan(prior: Prior) -> str:
    """A prior as Stan writes it."""
    if isinstance(prior, LKJ):
        return f"lkj({prior.eta:.6g})"
    name, arguments = STAN[type(prior).__name__]
    values = [getattr(prior, a) if isinstance(a, str) else a for a in arguments]
    return f"{name}({', '.join(f'{v:.6g}' for v in values)})"


# ---- columns of the effects that default priors are about --------------------------------------


@dataclass(frozen=True)
class PlacedColumns:
    """The right side of a formula, in columns of the effects that the priors are about.

    Attributes
    ----------
    right
        The right side.
    lines
        R code that makes the columns which the data have not.
    names
        What they are called in place of a term: of the population under "", of a factor under its
        name.
    """

    right: str
    lines: tuple[str, ...]
    names: dict[str, dict[str, str]]


def placed_columns(
    formula: Formula,
    predictor: LinearPredictor,
    priors: PredictorPriors,
    head: Callable[[str], str],
    *,
    means: Floats | None = None,
) -> PlacedColumns:
    """The same model in other coordinates: with x - 4.5 where the priors are at the mean of x.

    `head` may write the intercept of the population another way; `means` (p,) are subtracted from
    its columns.
    """
    made: dict[str, str] = {}
    called: dict[str, dict[str, str]] = {}
    first, *rest = r_terms(formula.fixed)
    if priors.population is not None or means is not None:
        T = np.eye(len(predictor.terms)) if priors.population is None else priors.population.T
        shift = np.zeros(len(T)) if means is None else means @ T
        T = np.vstack([-shift, T])
        called[""] = _named(predictor.terms, T, made, rows=(names.INTERCEPT, *predictor.terms))
        rest = list(called[""].values())
    bars = [r_bar(bar) for bar in formula.random if bar.group not in priors.placed]
    for g in predictor.groups:
        if g.name in priors.placed:
            called[g.name] = _named(g.terms, priors.placed[g.name].T, made)
            bars += _bars(g, called[g.name])
    lines = tuple(f"data${name} <- with(data, {value})" for name, value in made.items())
    right = " + ".join([head(first), *rest, *r_offsets(formula), *bars])
    return PlacedColumns(right, lines, called)


def _bars(g: GroupDesign, called: dict[str, str]) -> Iterator[str]:
    factor = ":".join(map(r_name, g.factors))
    for block in g.blocks:
        terms = [g.terms[k] for k in block]
        left = [str(int(names.INTERCEPT in terms)), *(called[t] for t in terms if t in called)]
        yield f"({' + '.join(left)} | {factor})"


def _named(
    terms: Sequence[str], T: Floats, made: dict[str, str], rows: Sequence[str] = ()
) -> dict[str, str]:
    """A column's name for every term but the intercept; those that R has to make go to `made`.

    T (rows, terms) has the shares of columns in each; its rows are those of the terms by default.
    """
    out = {}
    for k, term in enumerate(terms):
        if term == names.INTERCEPT:
            continue
        every = zip(rows or terms, T[:, k], strict=True)
        shares = {t: s for t, s in every if s and t != term}
        own = _value(term)
        if own == r_name(term) and not shares:
            out[term] = own
            continue
        name = names.identifier(term) + ("_at_means" if shares else "")
        value = own + "".join(
            f" {'-' if s < 0 else '+'} {_times(abs(s), t)}" for t, s in shares.items()
        )
        while made.setdefault(name, value) != value:  # another factor has it at other means
            name += "_"
        out[term] = name
    return out


def _times(share: float, term: str) -> str:
    number = f"{share:.12g}"
    return number if term == names.INTERCEPT else f"{number} * {_value(term)}"


def _value(term: str) -> str:
    """The column of a term in R: `Days`, `(Machine == "B")`, products of these."""
    factors = []
    for part in parts(term):
        name, bracket, level = part.partition("[")
        if bracket and "(" not in name:
            factors.append(f"({r_name(name)} == {r_string(level[:-1])})")
            continue
        try:
            node = parse_expression(part)
        except FormulaError:  # a column's own name
            factors.append(r_name(part))
            continue
        if isinstance(node, Call) and node.function == "I":
            factors.append(f"({r_text(node.arguments[0])})")
        else:
            factors.append(r_text(node))
    return " * ".join(factors)
