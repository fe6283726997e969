"""Several responses as a call of R's brms: a `bf()` for each, and residuals that correlate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mixedbayes import names
from mixedbayes.distributions import Normal
from mixedbayes.errors import ModelError
from mixedbayes.families.links import Log
from mixedbayes.interop.brms_code import (
    Part,
    about_relations,
    check_family,
    check_groupers,
    check_names,
    data2,
    formulas_of,
    group_name,
    links,
    part_of,
    prior_call,
    priors_of_part,
    response_lines,
    set_prior,
    with_apart,
)
from mixedbayes.interop.r_formula import r_columns, r_name
from mixedbayes.interop.writing import check_columns
from mixedbayes.model.responses import spec_of
from mixedbayes.model.spec import Spec
from mixedbayes.priors.types import Assigned


def brms_of_several(spec: Spec) -> str:
    """`brm` with `bf(...) + bf(...) + set_rescor(TRUE)`, or mvbind() where the formulas are alike.

    Sigma of a response has a lognormal prior there, which is a normal one of its logarithm. A share
    that is one number has a formula, ``zi ~ 1``, whose prior is on its link's scale.
    """
    design, several = spec.design, spec.design.several
    assert several is not None
    check_columns(spec, "brms")
    check_names(design)
    if design.n < several.m * len(several.names):
        raise ModelError(
            f"{several.m * len(several.names) - design.n} responses are missing in "
            f"{several.m} rows: brms leaves such rows out with all of their responses, unless "
            "mi() makes parameters of them, and that is another model"
        )
    made: dict[str, str] = {}
    specs = [spec_of(spec, k) for k in range(len(several.names))]
    for own in specs:
        check_family(own)
        check_groupers(own.design)
    parts = [
        [
            replace(part_of(own, p.parameter, made), response=_called(name))
            for p in own.design.predictors
            if p not in own.design.moving[1:]
        ]
        + _numbers(name, own)
        for name, own in zip(several.names, specs, strict=True)
    ]
    families = [f"{own.family.elsewhere.brms}({links(own)})" for own in specs]
    apart = len(set(families)) > 1
    about = ["# columns at their means, as the default priors are"] if made else []
    lines = [
        "library(brms)",
        *r_columns(design),
        *(line for own in specs for line in response_lines(own)),
        *about,
        *(f"data${name} <- with(data, {value})" for name, value in made.items()),
        *about_relations(design),
        "brm(",
        *(f"  {line}" for line in _formulas(specs, parts, families if apart else ())),
        f"    set_rescor({'TRUE' if several.correlated else 'FALSE'}),",
        "  data = data,",
        *data2(spec),
        *([] if apart else [f"  family = {families[0]},"]),
        "  prior = c(",
        ",\n".join(f"    {p}" for p in _priors(spec, specs, parts)),
        "  )",
        ")",
    ]
    return "\n".join(lines)


def _called(name: str) -> str:
    """brms's name of a response, without dots, underscores and other signs."""
    return re.sub(r"[^A-Za-z0-9]", "", name)


def _formulas(
    specs: Sequence[Spec], parts: Sequence[Sequence[Part]], families: Sequence[str]
) -> list[str]:
    """A line for each response, with its family where they differ."""
    found = [formulas_of(own, of) for own, of in zip(specs, parts, strict=True)]
    rights = [[first.partition(" ~ ")[2], *rest] for (first, *rest), _ in found]
    lefts = [first.partition(" ~ ")[0] for (first, *_), _ in found]
    plain = all(left == r_name(own.design.response) for left, own in zip(lefts, specs, strict=True))
    if plain and not families and all(right == rights[0] for right in rights):
        first, *rest = rights[0]
        return [f"bf({', '.join([f'mvbind({", ".join(lefts)}) ~ {first}', *rest])}) +"]
    lines = []
    for (inside, apart), family in zip(found, families or [""] * len(specs), strict=True):
        own = f"bf({', '.join([*inside, *([f'family = {family}'] if family else [])])})"
        lines.append(f"{f'({" + ".join([own, *apart])})' if apart else own} +")
    return lines


def _numbers(name: str, own: Spec) -> list[Part]:
    """Formulas of parameters that are one number, whose priors brms has on its link alone."""
    return [
        Part(p, own.family.brms_parameter(p), True, "1", {}, False, _called(name))
        for p in _without(own)
        if not isinstance(own.family.parameter_link(p), Log)
    ]


def _without(own: Spec) -> list[str]:
    """The parameters of a response that have no formula of their own."""
    return [p for p in own.family.estimated(own.design) if p not in own.family.vectors]


def _priors(spec: Spec, specs: Sequence[Spec], parts: Sequence[Sequence[Part]]) -> list[str]:
    design = spec.design
    assert design.several is not None
    out = []
    for name, own, of in zip(design.several.names, specs, parts, strict=True):
        for part in of:
            if part.parameter == names.MU or own.design.has(part.parameter):
                out += priors_of_part(with_apart(own, part.parameter), part)
        for p in own.family.vectors:
            # brms's intercepts of ordered categories are the thresholds.
            place = {"class": "Intercept", "resp": _called(name)}
            out += set_prior(own.priors.parameters[p], **place)
        for p in _without(own):
            priors = spec.priors.predictor(p)
            prior = priors.fixef[priors.terms.index(name)]
            if isinstance(own.family.parameter_link(p), Log):
                out.append(_of_number(prior, own.family.brms_parameter(p), _called(name)))
            else:
                place = {"class": "Intercept", "resp": _called(name)}
                out += set_prior(prior, **place, dpar=own.family.brms_parameter(p))
        for (group, _), prior in own.priors.mu.law_numbers.items():
            out += set_prior(prior, **{"class": "df", "group": group_name(group)})
    for group, prior in _correlations(specs, spec).items():
        out += set_prior(prior, **{"class": "cor", "group": group})
    for prior in spec.priors.residual.values():
        out += set_prior(prior, **{"class": "rescor"})
    return out


def _correlations(specs: Sequence[Spec], spec: Spec) -> dict[str, Assigned]:
    """The prior of all correlations over a factor, of which brms has one."""
    found: dict[str, Assigned] = {}
    own = [c for one in (spec, *specs) for p in one.priors.predictors for c in p.cor.items()]
    apart = {
        names.label(n, g.name)
        for n, one in zip(_responses(spec), specs, strict=True)
        for p in one.design.predictors
        for g in p.groups
    }
    for group, prior in [*own, *spec.priors.across.items()]:
        if group in apart:  # that of one response, which it has under its own name
            continue
        known = found.setdefault(group_name(group), prior)
        if known.prior != prior.prior:
            raise ModelError(
                f"brms has one prior for all correlations over {group}, and here there are "
                f"{known.prior} and {prior.prior}"
            )
    return found


def _responses(spec: Spec) -> tuple[str, ...]:
    assert spec.design.several is not None
    return spec.design.several.names


def _of_number(assigned: Assigned, parameter: str, response: str) -> str:
    """A normal prior of the logarithm."""
    prior = assigned.prior
    if not isinstance(prior, Normal):
        raise ModelError(
            f"log({parameter}) of {response} has the prior {prior}, and brms's is of {parameter}: "
            "give it a normal one, which makes that lognormal"
        )
    own = {"class": parameter, "resp": response}
    return prior_call(f"lognormal({prior.mu:.6g}, {prior.sigma:.6g})", own)
