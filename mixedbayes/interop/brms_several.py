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
    check_groupers,
    check_names,
    data2,
    group_name,
    links,
    part_of,
    prior_call,
    priors_of_part,
    set_prior,
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
    if design.weights is not None:
        raise ModelError(
            "weights() of the gaussian family divide a row's variance; brms's count a row several "
            "times, which is another model"
        )
    if design.n < several.m * len(several.names):
        raise ModelError(
            f"{several.m * len(several.names) - design.n} responses are missing in "
            f"{several.m} rows: brms leaves such rows out with all of their responses, unless "
            "mi() makes parameters of them, and that is another model"
        )
    made: dict[str, str] = {}
    specs = [spec_of(spec, k) for k in range(len(several.names))]
    for own in specs:
        if own.family.elsewhere.brms is None:
            raise ModelError(f"brms has no {own.family.name} family")
        check_groupers(own.design)
    parts = [
        [
            replace(part_of(own, p.parameter, made), response=_called(name))
            for p in own.design.predictors
        ]
        + _numbers(spec, name, own)
        for name, own in zip(several.names, specs, strict=True)
    ]
    families = [f"{own.family.elsewhere.brms}({links(own)})" for own in specs]
    apart = len(set(families)) > 1
    about = ["# columns at their means, as the default priors are"] if made else []
    lines = [
        "library(brms)",
        *r_columns(design),
        *about,
        *(f"data${name} <- with(data, {value})" for name, value in made.items()),
        *about_relations(design),
        "brm(",
        *(f"  {line}" for line in _formulas(several.names, parts, families if apart else ())),
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
    """brms's name of a response, without dots and underscores."""
    return re.sub(r"[._]", "", name)


def _formulas(
    responses: Sequence[str], parts: Sequence[Sequence[Part]], families: Sequence[str]
) -> list[str]:
    """A line for each response, with its family where they differ."""
    rights = [tuple((p.called, p.right) for p in own) for own in parts]
    if len(set(rights)) == 1 and not families:
        bound = f"mvbind({', '.join(map(r_name, responses))})"
        return [f"{_bf(bound, parts[0])} +"]
    own_family = [f"family = {f}" for f in families] or [""] * len(responses)
    each = zip(responses, parts, own_family, strict=True)
    return [f"{_bf(r_name(y), own, *filter(None, [family]))} +" for y, own, family in each]


def _bf(y: str, own: Sequence[Part], *more: str) -> str:
    mu, *rest = own
    inside = [f"{y} ~ {mu.right}", *(f"{p.called} ~ {p.right}" for p in rest), *more]
    return f"bf({', '.join(inside)})"


def _numbers(spec: Spec, name: str, own: Spec) -> list[Part]:
    """Formulas of parameters that are one number, whose priors brms has on its link alone."""
    return [
        Part(p, own.family.brms_parameter(p), True, "1", {}, False, _called(name))
        for p in _without(own)
        if not isinstance(spec.family.parameter_link(p), Log)
    ]


def _without(own: Spec) -> list[str]:
    """The parameters of a response that have no formula of their own."""
    return [p for p in own.family.parameters if p not in own.design.further]


def _priors(spec: Spec, specs: Sequence[Spec], parts: Sequence[Sequence[Part]]) -> list[str]:
    design = spec.design
    assert design.several is not None
    out = []
    for name, own, of in zip(design.several.names, specs, parts, strict=True):
        for part in of:
            if part.parameter in (names.MU, *own.design.further):
                out += priors_of_part(own.priors.predictor(part.parameter), part)
        for p in _without(own):
            priors = spec.priors.predictor(p)
            prior = priors.fixef[priors.terms.index(name)]
            if isinstance(spec.family.parameter_link(p), Log):
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
