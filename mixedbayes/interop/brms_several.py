"""Several responses as a call of R's brms: a `bf()` for each, and residuals that correlate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from mixedbayes import names
from mixedbayes.distributions import Normal
from mixedbayes.errors import ModelError
from mixedbayes.interop.brms_code import (
    Part,
    check_names,
    group_name,
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

    Sigma of a response has a lognormal prior there, which is a normal one of its logarithm.
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
    parts = [
        [
            replace(part_of(own, p.parameter, made), response=_called(name))
            for p in own.design.predictors
        ]
        for name, own in zip(several.names, specs, strict=True)
    ]
    about = ["# columns at their means, as the default priors are"] if made else []
    lines = [
        "library(brms)",
        *r_columns(design),
        *about,
        *(f"data${name} <- with(data, {value})" for name, value in made.items()),
        "brm(",
        *(f"  {line}" for line in _formulas(several.names, parts)),
        f"    set_rescor({'TRUE' if several.correlated else 'FALSE'}),",
        "  data = data,",
        '  family = gaussian(link = "identity"),',
        "  prior = c(",
        ",\n".join(f"    {p}" for p in _priors(spec, specs, parts)),
        "  )",
        ")",
    ]
    return "\n".join(lines)


def _called(name: str) -> str:
    """brms's name of a response, without dots and underscores."""
    return re.sub(r"[._]", "", name)


def _formulas(responses: Sequence[str], parts: Sequence[Sequence[Part]]) -> list[str]:
    rights = [tuple((p.called, p.right) for p in own) for own in parts]
    if len(set(rights)) == 1:
        bound = f"mvbind({', '.join(map(r_name, responses))})"
        return [f"{_bf(bound, parts[0])} +"]
    return [f"{_bf(r_name(y), own)} +" for y, own in zip(responses, parts, strict=True)]


def _bf(y: str, own: Sequence[Part]) -> str:
    mu, *rest = own
    return f"bf({', '.join([f'{y} ~ {mu.right}', *(f'{p.called} ~ {p.right}' for p in rest)])})"


def _priors(spec: Spec, specs: Sequence[Spec], parts: Sequence[Sequence[Part]]) -> list[str]:
    design = spec.design
    assert design.several is not None
    out = []
    for name, own, of in zip(design.several.names, specs, parts, strict=True):
        for part in of:
            out += priors_of_part(own.priors.predictor(part.parameter), part)
        if names.SIGMA not in own.design.further:
            sigma = spec.priors.predictor(names.SIGMA)
            out.append(_of_sigma(sigma.fixef[sigma.terms.index(name)], _called(name)))
    for group, prior in spec.priors.mu.cor.items():
        out += set_prior(prior, **{"class": "cor", "group": group_name(group)})
    for prior in spec.priors.residual.values():
        out += set_prior(prior, **{"class": "rescor"})
    return out


def _of_sigma(assigned: Assigned, response: str) -> str:
    """A normal prior of the logarithm."""
    prior = assigned.prior
    if not isinstance(prior, Normal):
        raise ModelError(
            f"log(sigma) of {response} has the prior {prior}, and brms's is of sigma: give it a "
            "normal one, which makes that lognormal"
        )
    own = {"class": "sigma", "resp": response}
    return prior_call(f"lognormal({prior.mu:.6g}, {prior.sigma:.6g})", own)
