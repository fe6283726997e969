"""A model as a call of R's brms, with its priors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mixedbayes import names
from mixedbayes.design import known_of, used_columns
from mixedbayes.design.types import Design, Floats
from mixedbayes.design.values import label
from mixedbayes.distributions import Flat
from mixedbayes.errors import FormulaError, ModelError
from mixedbayes.formula import parse_expression, parse_terms
from mixedbayes.formula.counts import count_columns
from mixedbayes.formula.nodes import Call
from mixedbayes.interop.brms_residual import (
    in_stan,
    residual_priors,
    residual_term,
    stan_lines,
)
from mixedbayes.interop.r_formula import r_columns, r_name, r_string, r_text
from mixedbayes.interop.r_placed import placed_columns
from mixedbayes.interop.stan import stan
from mixedbayes.interop.writing import check_columns, parts
from mixedbayes.model.spec import Spec
from mixedbayes.names import MU
from mixedbayes.priors.types import Assigned, PredictorPriors

_NAME = re.compile(r"(?:[^\W\d_]|\.)[\w.]*")  # of a column, to brms
_LEVEL = re.compile(r"(?P<name>.*?)(?:\[(?P<level>[^\]]*)\])?", re.DOTALL)
# What brms makes of signs in names, by its function rename().
_SPELLED = dict.fromkeys(" ()[],\"'?", "")
_SPELLED |= {"+": "P", "-": "M", "*": "MU", "/": "D", "^": "E", "=": "EQ"}


# Links that brms has for parameters besides the mean, where they are not all those here.
_SHARES = ("logit", "identity")
_LINKS = {
    "nu": ("logm1", "identity"),
    **dict.fromkeys(("zi", "hu", "zoi", "coi", "quantile"), _SHARES),
}


def brms_code(spec: Spec) -> str:
    """`brm` with formulas, family and every prior.

    The default prior of an intercept or of thresholds is at the columns' means, as that of brms's
    class Intercept; one given by the user is at zero, for which brms has the formula ``0 +
    Intercept``, and ``center = FALSE`` for thresholds. Where rows count several times or have
    several trials the means are others than brms's, and zero is put there in the columns.
    """
    design, family = spec.design, spec.family
    check_columns(spec, "brms")
    residual_term(spec)  # or there is none
    check_family(spec)
    check_names(design)
    apart = design.moving[1:]
    made: dict[str, str] = {}
    parts = [part_of(spec, p.parameter, made) for p in design.predictors if p not in apart]
    check_groupers(design)
    about = ["# columns at their means, as the default priors are"] if made else []
    stepped = any(p.monotonic for p in design.predictors) and not _at_zero(spec, MU)
    about_mo = [f"# {line}" for line in _ABOUT_MO] if stepped else []
    lines = [
        "library(brms)",
        *about_mo,
        *r_columns(design),
        *response_lines(spec),
        *about,
        *(f"data${name} <- with(data, {value})" for name, value in made.items()),
        *about_relations(design),
        "brm(",
        *(f"  {line}" for line in _formulas(spec, parts)),
        "  data = data,",
        *data2(spec),
        f"  family = {family.elsewhere.brms}({links(spec)}),",
        "  prior = c(",
        ",\n".join(f"    {p}" for p in _priors(spec, parts)),
        "  )," if in_stan(spec) else "  )",
        *stan_lines(spec),
        ")",
    ]
    return "\n".join(lines)


def check_family(spec: Spec) -> None:
    """ModelError where brms has not the family, or means something else by its weights."""
    family = spec.family
    if family.elsewhere.brms is None:
        there = "; there, its density is written in Stan, for custom_family()" if family.own else ""
        raise ModelError(f"brms has no {family.name} family{there}")
    if spec.design.formula.response.weights is not None and not family.repeats_rows:
        raise ModelError(
            f"weights() of the {family.name} family divide a row's variance; brms's count a row "
            "several times, which is another model"
        )


def response_lines(spec: Spec) -> list[str]:
    """A line that gives a response of categories those that it has here, in their order.

    brms counts whole numbers from 1, with those that do not occur; texts are in the alphabet's
    order to R, and a success is the second.
    """
    levels, ordered = spec.design.response_levels, spec.family.thresholds is not None
    if levels is None or not (ordered or spec.family.probability):
        return []
    number = all(isinstance(v, int | float | np.number) for v in levels)
    if number and (not ordered or list(levels) == list(range(1, len(levels) + 1))):
        return []
    place = f"data${r_text(parse_expression(spec.design.formula.response.text))}"
    listed = ", ".join(f"{v:.17g}" if number else r_string(label(v)) for v in levels)
    kind = ", ordered = TRUE" if ordered else ""
    return [f"{place} <- factor({place}, levels = c({listed}){kind})"]


def links(spec: Spec) -> str:
    """Arguments of brms's family: the mean's link, and those chosen for others."""
    family, further = spec.family, spec.design.further
    own = {f"link_{p}": link.name for p, link in family.links if p in further}
    shown = [f'{name} = "{link}"' for name, link in {"link": family.link.name, **own}.items()]
    return f"{', '.join(shown)}{family.brms_arguments()}"


def about_relations(design: Design) -> list[str]:
    """What the known matrices are, as comments."""
    return [
        f"# {r_name(name)}: the known {'precision' if r.precision else 'covariance'} between "
        "levels, a matrix with their labels as row and column names"
        for name, r in known_of(design).items()
    ]


def data2(spec: Spec) -> list[str]:
    """The known matrices, as covariances: brms has no precisions."""
    said = [
        f"{r_name(name)} = {f'solve({r_name(name)})' if r.precision else r_name(name)}"
        for name, r in known_of(spec.design).items()
    ]
    return [f"  data2 = list({', '.join(said)}),"] if said else []


def group_name(name: str) -> str:
    """brms's name of a grouping factor: "mms1s2" of mm(s1, s2), "species" of species[A]."""
    plain = name.rpartition("[")[0] if name.endswith("]") else name
    return re.sub(r"[(), ]", "", plain) if plain.startswith("mm(") else plain


def check_groupers(design: Design) -> None:
    for p in design.predictors:
        seen: dict[str, str] = {}
        for g in p.groups:
            other = seen.setdefault(group_name(g.name), g.name)
            if other != g.name:
                raise ModelError(
                    f"brms calls both {other} and {g.name} {group_name(g.name)!r}: make a copy of "
                    "the column under another name, and use that in one of the two"
                )
            if len(g.law.estimated) == 0 and not g.law.normal:
                raise ModelError(
                    f"brms estimates nu of the effects over {g.name}; here it is given"
                )
            if not g.law.normal and len(g.terms) > 1:
                raise ModelError(
                    f"brms gives the effects of a level of {g.name} one scale in common, and here "
                    "each has its own, which is another model"
                )


def check_names(design: Design) -> None:
    odd = [name for name in used_columns(design.formula).columns if not _NAME.fullmatch(name)]
    if odd:
        raise ModelError(
            f"brms takes no column of the name {odd[0]!r}: give it one of letters, digits, `.` and "
            "`_` that starts with a letter, in the data and the formula"
        )


@dataclass(frozen=True)
class Part:
    """The formula of one parameter.

    Attributes
    ----------
    parameter
        Whose formula it is.
    called
        By brms.
    own
        Whether its intercept is a coefficient, ``0 + Intercept``.
    right
        The right side.
    names
        What columns are called in place of a term, see `PlacedColumns`.
    contrasts
        Whether categories keep their contrasts although there is no intercept, as brms does not.
    response
        One of several, by brms's name.
    """

    parameter: str
    called: str
    own: bool
    right: str
    names: Mapping[str, Mapping[str, str]]
    contrasts: bool
    response: str = ""

    @property
    def place(self) -> dict[str, str]:
        """Where brms has its priors."""
        own = {"resp": self.response} if self.response else {}
        return own if self.parameter == MU else {**own, "dpar": self.called}


def part_of(spec: Spec, p: str, made: dict[str, str]) -> Part:
    design, formula = spec.design, spec.design.formula
    predictor = design.predictor(p)
    if p != MU:
        _check_link(spec, p)
        others = (other for other in formula.others if other.response.text == p)
        formula = next(others, formula)  # the first of several categories has the response's
    own = predictor.intercept and _at_zero(spec, p)
    none = p != MU and not predictor.intercept  # whatever the formula says

    def head(first: str) -> str:
        return "0 + Intercept" if own else "0" if none else first

    priors = spec.priors.predictor(p)
    _check_steps(priors)
    placed = placed_columns(formula, predictor, priors, head, made, means=_means(spec, p))
    dropped = none and parse_terms(formula.fixed).intercept
    contrasts = dropped and any("[" in term for term in predictor.terms)
    called = spec.family.brms_parameter(p)
    contrasts = contrasts and "" not in placed.names
    part = Part(p, called, own, placed.right, placed.names, contrasts)
    return part if p != MU or formula.specific is None else _with_specific(spec, part, made)


def _with_specific(spec: Spec, part: Part, made: dict[str, str]) -> Part:
    """The mean's part with category-specific effects, whose columns brms does not centre."""
    formula, predictor = spec.design.formula.specific, spec.design.moving[1]
    assert formula is not None
    own = spec.priors.predictor(predictor.parameter)
    at_means = any(not spec.priors.parameters[name].given for name in _levels(spec))
    means = predictor.means if at_means else None
    placed = placed_columns(formula, predictor, own, lambda _: "", made, means=means)
    inside = placed.right.removeprefix(" + ")
    called = {"": {**part.names.get("", {}), **placed.names.get("", {})}}
    return replace(
        part, right=f"{part.right} + cs({inside})", names={**part.names, **called}
    )  # fmt: skip


_ABOUT_MO = (
    "the prior of brms's intercept is where mo() is at its lowest level; here it is at the mean of",
    "the columns, so that brms's posterior differs a little where the data say little of it",
)


def _check_steps(priors: PredictorPriors) -> None:
    if priors.monotonic and priors.population is not None:
        moved = [t for k, t in enumerate(priors.terms) if priors.population.moves(k)]
        raise ModelError(
            f"the default prior of {moved[0]} is about its effect at the mean of the columns that "
            f"{priors.monotonic[0].name} has, which brms has no columns for: give priors of your "
            f"own, priors={{'fixef': {{{moved[0]!r}: mb.Normal(0, 1)}}}}, which are at zero in both"
        )


def _check_link(spec: Spec, p: str) -> None:
    link = spec.family.parameter_link(p).name
    known = _LINKS.get(p, (link,))
    if link not in known:
        raise ModelError(
            f"brms's links of {p} are {' and '.join(known)}, and {p} has a formula with the {link} "
            "link here, which is another model"
        )


def _formulas(spec: Spec, parts: Sequence[Part]) -> list[str]:
    """The lines of the formulas, the last one with a comma."""
    inside, apart = formulas_of(spec, parts)
    first, *rest = inside
    if not rest and not apart:
        return [f"{first},"]
    if len(parts) == 1:
        return [f"bf({', '.join(inside)}),"]
    lines = ["bf(", *(f"  {text}," for text in inside[:-1]), f"  {inside[-1]}"]
    return [*lines, f"){''.join(f' + {text}' for text in apart)},"]


def formulas_of(spec: Spec, parts: Sequence[Part]) -> tuple[list[str], list[str]]:
    """Arguments of bf(), and calls of lf() for formulas whose categories keep their contrasts."""
    first, *rest = parts
    numbers = {k: v for k, v in spec.family.fixed.items() if not isinstance(v, str)}
    more = [f"{name} = {value:.12g}" for name, value in numbers.items()]
    if first.parameter != MU:  # a formula for each category
        rest = list(parts)
        first = replace(first, right="1", own=True)
    more += ["center = FALSE"] * (_at_zero(spec, MU) and not first.own)
    formula = f"{_response(spec)} ~ {first.right}"
    formula += residual_term(spec)
    inside = [formula, *(f"{p.called} ~ {p.right}" for p in rest if not p.contrasts), *more]
    apart = [f"lf({p.called} ~ {p.right}, cmc = FALSE)" for p in rest if p.contrasts]
    return inside, apart


def _at_zero(spec: Spec, p: str) -> bool:
    """Whether the prior of the intercept or thresholds is where the columns as written are zero."""
    if not spec.design.predictor(p).terms:
        return False
    if _means(spec, p) is not None:
        return True
    priors = spec.priors.predictor(p)
    given = any(spec.priors.parameters[name].given for name in _levels(spec, p))
    return given or (priors.intercept is not None and not priors.intercept_at_means)


def _means(spec: Spec, p: str) -> Floats | None:
    """(p,) the means that the priors are at, where they are not those of the columns' rows."""
    predictor, priors = spec.design.predictor(p), spec.priors.predictor(p)
    there = any(not spec.priors.parameters[name].given for name in _levels(spec, p))
    there = there or (priors.intercept is not None and priors.intercept_at_means)
    alike = np.allclose(predictor.means, predictor.X.mean(axis=0), rtol=1e-12, atol=0)
    # brms's means are those of all rows, with those that lack a response.
    unobserved = spec.design.unobserved
    alike = alike and (unobserved is None or not len(unobserved))
    return predictor.means if there and not alike else None


def _levels(spec: Spec, p: str = MU) -> list[str]:
    """Parameters in the intercept's place."""
    return [name for name in spec.priors.parameters if p == MU and name == spec.family.thresholds]


def _response(spec: Spec) -> str:
    response = spec.design.formula.response
    counts = [r_name(name) for name in count_columns(response.text)]
    y = f"cbind({', '.join(counts)})" if counts else r_text(parse_expression(response.text))
    more = [f"trials({' + '.join(counts)})"] if counts else []
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
    if response.mi:
        more.append("mi()")
    if response.se is not None:
        adds = ", sigma = TRUE" if response.se_adds else ""
        more.append(f"se({r_text(parse_expression(response.se))}{adds})")
    return f"{y} | {' + '.join(more)}" if more else y


def _priors(spec: Spec, parts: Sequence[Part]) -> list[str]:
    out = [
        line for part in parts for line in priors_of_part(with_apart(spec, part.parameter), part)
    ]
    for group, prior in _correlations(spec).items():
        out += set_prior(prior, **{"class": "cor", "group": group_name(group)})
    out += residual_priors(spec)
    for p in spec.priors.predictors:
        for (group, _), prior in p.law_numbers.items():
            out += set_prior(prior, **{"class": "df", "group": group_name(group)})
    for name, prior in spec.priors.parameters.items():
        if name == names.SIGMA and in_stan(spec):
            continue
        # brms's intercepts of ordered categories are the thresholds.
        kind = "Intercept" if name == spec.family.thresholds else name
        out += set_prior(prior, **{"class": kind})
    return out


def with_apart(spec: Spec, parameter: str) -> PredictorPriors:
    """Priors of a part of the code; category-specific effects are the mean's."""
    priors, apart = _arms_together(spec, parameter), spec.design.moving[1:]
    if parameter != MU or not apart:
        return priors
    first, *rest = (spec.priors.predictor(p.parameter) for p in apart)
    if any([a.prior for a in p.fixef] != [a.prior for a in first.fixef] for p in rest):
        raise ModelError(
            "brms has one prior for the category-specific effects of a term on all thresholds, and "
            "here they differ: give them one"
        )
    return replace(
        priors, terms=(*priors.terms, *first.terms), fixef=(*priors.fixef, *first.fixef)
    )  # fmt: skip


def _arms_together(spec: Spec, parameter: str) -> PredictorPriors:
    """Priors of effects whose variances differ by arm: of each one, in all arms."""
    priors = spec.priors.predictor(parameter)
    sds, terms = dict(priors.sd), dict(priors.group_terms)
    for g in spec.design.predictor(parameter).factors:
        if g.arms is None or g.name not in sds:
            continue
        first = dict(zip(g.population[::-1], sds[g.name][::-1], strict=True))
        for term, own in zip(g.population, sds[g.name], strict=True):
            if own.prior != first[term].prior:
                raise ModelError(
                    f"brms has one prior for the sds of {term} over {g.name} in all levels of "
                    f"{g.arms.by}, and here they differ: give them one"
                )
        sds[g.name], terms[g.name] = tuple(first.values())[::-1], tuple(first)[::-1]
    return replace(priors, sd=sds, group_terms=terms)


def priors_of_part(priors: PredictorPriors, part: Part) -> list[str]:
    out = []
    if priors.intercept is not None:
        place = {"class": "b", "coef": names.INTERCEPT} if part.own else {"class": "Intercept"}
        out += set_prior(priors.intercept, **place, **part.place)
    # A prior of the whole class is that of a flat intercept as well.
    flat = part.own and priors.intercept is not None and isinstance(priors.intercept.prior, Flat)
    place, effects = {"class": "b", **part.place}, priors.effects
    own = part.names.get("", {})
    out += _each(tuple(effects.values()), tuple(effects), place, own, apart=flat)
    for m in priors.monotonic:
        place = {"class": "simo", "coef": f"{_coef(m.name)}1", **part.place}
        out += set_prior(m.shares, **place)
    for group, sds in priors.sd.items():
        place = {"class": "sd", "group": group_name(group), **part.place}
        out += _each(sds, priors.group_terms[group], place, part.names.get(group, {}))
    return out


def _correlations(spec: Spec) -> dict[str, Assigned]:
    """The prior of the correlations over each factor, of which brms has one for all parameters."""
    found: dict[str, Assigned] = {}
    every = [c for p in spec.priors.predictors for c in p.cor.items()]
    for group, prior in [*every, *spec.priors.across.items()]:
        known = found.setdefault(group, prior)
        if known.prior != prior.prior:
            raise ModelError(
                f"brms has one prior for all correlations over {group}, and here those of one "
                f"parameter have {known.prior}, those of another {prior.prior}"
            )
    return found


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
        return set_prior(priors[0], **place)
    return [
        line
        for prior, term in zip(priors, terms, strict=True)
        for line in set_prior(prior, **place, coef=placed.get(term) or _coef(term))
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


def set_prior(assigned: Assigned, **place: str) -> list[str]:
    """set_prior(...); nothing for a flat prior on a coefficient, which is brms's own default."""
    prior = assigned.prior
    if isinstance(prior, Flat):
        if place["class"] == "b":
            return []
        return [prior_call("", place)]
    return [prior_call(stan(prior), place)]


def prior_call(text: str, place: dict[str, str]) -> str:
    where = ", ".join(f'{key} = "{value}"' for key, value in place.items())
    return f'set_prior("{text}", {where})'
