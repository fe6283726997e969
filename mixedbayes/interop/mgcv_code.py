"""A model as a call of R's mgcv."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from mixedbayes import names
from mixedbayes.design import used_columns
from mixedbayes.design.build import smooths_of
from mixedbayes.design.smooths import SIZE, Fitted
from mixedbayes.design.types import GroupDesign, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.formula import Formula, parse_expression, parse_terms
from mixedbayes.formula.nodes import Name
from mixedbayes.formula.smooths import PRODUCT, SmoothTerm, apart
from mixedbayes.interop.lme4_code import r_response
from mixedbayes.interop.r_formula import r_columns, r_name, r_offsets, r_string, r_text
from mixedbayes.interop.r_placed import r_value
from mixedbayes.interop.writing import check_columns, parts
from mixedbayes.model.spec import Spec
from mixedbayes.smooths.registry import BASES

_LARGE = 2000  # distinct points of a thin plate, of which mgcv draws as many at random
_MOST = 6  # effects that a message names
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`')  # texts, and names in backticks
_AXES = (
    "# mgcv's penalties of what is straight are of other axes, so that fits may differ a little:"
)


@dataclass
class _Made:
    """Lines of R in front of the call, and what it needs besides formulas.

    Attributes
    ----------
    columns
        Columns that the data have not, with their value.
    factors
        Columns that R must take as factors without order.
    knots
        Of variables, as R writes them.
    notes
        Comments.
    """

    columns: dict[str, str] = field(default_factory=dict)
    factors: dict[str, None] = field(default_factory=dict)
    knots: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def mgcv_code(spec: Spec) -> str:
    """`gam` by REML. Bases, knots and constraints are the same; there are no priors.

    Group effects are smooths there, ``s(g, bs = "re")``, each with a variance of its own.
    """
    design = spec.design
    _check_family(spec)
    check_columns(spec, "mgcv", drops=True)
    made = _Made()
    formulas = {names.MU: design.formula} | {f.of: f for f in design.formula.others}
    rights = [_right(spec, formulas[p.parameter], p, made) for p in design.predictors]
    theirs = spec.family.elsewhere.mgcv
    assert theirs is not None
    left = theirs.response.format(y=r_response(spec))
    call = theirs.scale if len(rights) > 1 else theirs.family
    called = call.format(link=spec.family.link.name, categories=len(design.response_levels or ()))
    first = f"{left} ~ {rights[0]}"
    several = "list(" + ", ".join([first, *(f"~ {right}" for right in rights[1:])]) + ")"
    arguments = [first if len(rights) == 1 else several, "data = data", f"family = {called}"]
    if design.formula.response.weights is not None:
        arguments.append(f"weights = {r_text(parse_expression(design.formula.response.weights))}")
    if made.knots:
        knots = ", ".join(f"{name} = {values}" for name, values in made.knots.items())
        arguments.append(f"knots = list({knots})")
    arguments.append('method = "REML"')
    head = r_columns(design)
    done = {line.partition(" <- ")[0] for line in head if "factor(" in line}
    for name in made.factors:
        place = f"data${r_name(name)}"
        if place not in done:
            head.append(f"{place} <- factor({place}, ordered = FALSE)")
    lines = [
        *head,
        *(f"data${name} <- with(data, {value})" for name, value in made.columns.items()),
        f"gam({', '.join(arguments)})",
    ]
    copies = _copies(spec, made)
    return "\n".join(
        [
            "library(mgcv)",
            *made.notes,
            *(f"data${name} <- data${theirs}" for theirs, name in copies.items()),
            *(_QUOTED.sub(lambda found: copies.get(found[0], found[0]), line) for line in lines),
        ]
    )


def _copies(spec: Spec, made: _Made) -> dict[str, str]:
    """Names for columns whose own need backticks, without which mgcv pastes them together."""
    columns = used_columns(spec.design.formula).columns
    taken, out = {*columns, *made.columns}, dict[str, str]()
    for column in sorted(columns):
        if r_name(column) != column:
            name = out[r_name(column)] = _plain(column, taken)
            taken.add(name)
    return out


def _plain(said: str, taken: Collection[str]) -> str:
    """A name that R reads without backticks."""
    name = re.sub("[^A-Za-z0-9.]+", "_", said).strip("_.")
    name = name if name[:1].isalpha() else f"x{name}"
    while name in taken or r_name(name) != name:
        name += "_"
    return name


def _check_family(spec: Spec) -> None:
    """ModelError where mgcv has not the family, its link, or what a formula says besides."""
    design, family = spec.design, spec.family
    own = family.elsewhere
    brms = "" if own.brms is None else "; code('brms') has it"
    if own.mgcv is None or (own.mgcv.links and family.link.name not in own.mgcv.links):
        link = "" if own.mgcv is None else f" with the {family.link.name} link"
        near = own.nearest.get("mgcv", "")
        raise ModelError(
            f"mgcv has no {family.name} family{link}{brms}"
            + (f"; nearest to it in mgcv is {near}" if near else "")
        )
    further = names.said(design.further)
    if len(design.predictors) > 1 and (not own.mgcv.scale or design.further != own.mgcv.scaled):
        raise ModelError(
            f"mgcv has formulas of the mean alone for the {family.name} family, and "
            f"{', '.join(further)} has one here{brms}"
        )
    if len(design.predictors) > 1 and design.weights is not None:
        raise ModelError(
            f"weights() beside a formula of {', '.join(further)}: mgcv's {own.mgcv.scale} counts a "
            "row several times, which is another model"
        )
    if design.formula.response.se is not None:
        raise ModelError("mgcv has no known standard errors: its weights are relative to a sigma")


def _right(spec: Spec, formula: Formula, predictor: LinearPredictor, made: _Made) -> str:
    """The right side of one formula."""
    terms, _ = apart(parse_terms(formula.fixed), formula.fixed)
    fitted = smooths_of(spec.design, predictor.parameter)
    _check_smooths(predictor, fitted)
    parts = [
        "1" if terms.intercept else "0",
        *(":".join(map(r_text, t.factors)) for t in terms.terms),
        *r_offsets(formula),
        *(_smooth(spec, smooth, made) for smooth in fitted),
    ]
    for g in predictor.factors:
        if not g.within:
            parts += _effects(spec, formula, g, made)
    return " + ".join(parts)


def _check_smooths(predictor: LinearPredictor, smooths: tuple[Fitted, ...]) -> None:
    """ModelError where what does not bend is there twice, which mgcv constrains otherwise."""
    of = {column for s in smooths for _, columns, _ in s.counted() for column in columns}
    if shared := [name for name in predictor.left_out if name in of]:
        raise ModelError(
            f"{', '.join(shared)} {'is' if len(shared) == 1 else 'are'} left out here, because "
            "other terms have it too, for which mgcv has other constraints, another model: leave "
            "out the column, or one of the smooths; in mgcv, differences between the curves of a "
            "factor are those by an ordered one"
        )


def _smooth(spec: Spec, fitted: Fitted, made: _Made) -> str:
    """One smooth, with its k."""
    said = fitted.said
    arguments = [r_text(v) for v in said.variables]
    if said.level is not None:
        arguments.append(r_name(said.level.name))
        made.factors[said.level.name] = None
    given = said.k or (_size(fitted),)
    k = str(given[0]) if len(given) == 1 else f"c({', '.join(map(str, given))})"
    arguments.append(f"k = {k}")
    bs = ("fs",) if said.level is not None else said.bs
    if bs:
        each = ", ".join(map(r_string, bs))
        arguments.append(f"bs = {each if len(bs) == 1 else f'c({each})'}")
    if said.by is not None:
        arguments.append(f"by = {_by(said, fitted, made)}")
    if said.knots:
        _place(said, made)
    if said.function == PRODUCT or said.level is not None:
        _note(made, f"{_AXES} {said.name}")
    elif said.bases == ("tp",) and len(np.unique(fitted.x, axis=0)) > _LARGE:
        _note(made, f"# mgcv draws {_LARGE:,} of the distinct points of {said.name} at random")
    return f"{said.function}({', '.join(arguments)})"


def _size(fitted: Fitted) -> int:
    """The default k; that of each variable of a product."""
    said = fitted.said
    return SIZE if said.function == PRODUCT else BASES[said.bases[0]].size(len(said.variables))


def _by(said: SmoothTerm, fitted: Fitted, made: _Made) -> str:
    assert said.by is not None
    if isinstance(said.by, Name):
        if not fitted.numeric:
            made.factors[said.by.name] = None
        return r_name(said.by.name)
    return r_text(said.by)


def _place(said: SmoothTerm, made: _Made) -> None:
    variable, values = r_text(said.variables[0]), ", ".join(f"{v:.15g}" for v in said.knots)
    name = variable if isinstance(said.variables[0], Name) else f"`{variable}`"
    if made.knots.setdefault(name, f"c({values})") != f"c({values})":
        raise ModelError(
            f"mgcv has one list of knots for a variable, and smooths of {variable} have different "
            "ones here: make a copy of the column under another name"
        )


def _effects(spec: Spec, formula: Formula, g: GroupDesign, made: _Made) -> Iterator[str]:
    """The effects of one grouping factor, a smooth for each."""
    if g.peculiarity:
        raise ModelError(
            f"code('mgcv') is not offered here: {g.peculiarity}; nearest to it is paraPen=, which "
            "takes columns and their penalty, the inverse of a known covariance"
        )
    one = g if g.arms is None else g.of_one_arm
    if any(len(block) > 1 for block in one.blocks):
        effects = next(bar.effects for bar in formula.random if bar.group == g.name)
        near = one.covariance.nearest.get("mgcv", f"({effects} || {g.name})")
        near = near.replace("{of}", effects.removeprefix("0 + ")).replace("{group}", g.name)
        said = ", ".join(one.terms[:_MOST])
        said += f", ... ({len(one.terms)} in all)" if len(one.terms) > _MOST else ""
        raise ModelError(
            f"mgcv has no effects that are correlated with each other, and those of "
            f"{said} over {g.name} are; nearest to it is {near}; R's gamm4 has "
            "smooths beside lme4's bars"
        )
    group = _group(spec, g, made)
    by = ""
    if g.arms is not None:
        made.factors[g.arms.by] = None
        by = f", by = {r_name(g.arms.by)}"
    for term in one.terms:
        inside = group
        if term != names.INTERCEPT:
            inside += f", {_column(spec, term, made)}"
        yield f's({inside}{by}, bs = "re")'


def _group(spec: Spec, g: GroupDesign, made: _Made) -> str:
    """The column of a grouping factor, made where it is of several."""
    if len(g.factors) == 1:
        made.factors[g.factors[0]] = None
        return r_name(g.factors[0])
    columns = ", ".join(map(r_name, g.factors))
    return _called(spec, g.name, f"interaction({columns}, drop = TRUE)", made)


def _column(spec: Spec, term: str, made: _Made) -> str:
    """A column of numbers in R, made where the data have it not."""
    columns = used_columns(spec.design.formula).columns
    for part in parts(term):
        call = part.partition("(")[0]
        if part not in columns and part.endswith("]") and call.isidentifier():
            raise ModelError(
                f"{call}() in effects by group is not written in R here: make it a column of the "
                "data, and use that in the formula"
            )
    value = r_value(term)
    if value == r_name(term):
        return value
    return _called(spec, term, f"1 * {value}", made)


def _called(spec: Spec, said: str, value: str, made: _Made) -> str:
    columns = used_columns(spec.design.formula).columns
    name = _plain(said, columns)
    while name in columns or made.columns.setdefault(name, value) != value:
        name += "_"
    return name


def _note(made: _Made, line: str) -> None:
    if line not in made.notes:
        made.notes.append(line)
