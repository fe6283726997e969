"""Correlated residuals in brms, with their priors.

brms's sigma of ar() and arma() is the sd of innovations, a_t in e_t = rho e_(t - 1) + a_t: with f
the residual sd over it, the prior p of the residual sd is that of sigma f, p(sigma f) f, which is
written in Stan.
"""

from __future__ import annotations

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats, Residual
from mixedbayes.distributions import LKJ, Prior, Uniform
from mixedbayes.errors import ModelError
from mixedbayes.formula import parse_expression
from mixedbayes.formula.nodes import Name
from mixedbayes.interop.r_formula import r_name
from mixedbayes.interop.stan import log_density
from mixedbayes.model.spec import Spec
from mixedbayes.terms.covariance import Written


def residual_term(spec: Spec) -> str:
    """ " + ar(...)" of brms's formula; nothing where residuals are independent.

    Raises
    ------
    ModelError
        brms has no such residuals, or takes the rows for others.
    """
    said, own = spec.design.formula.residual, spec.design.residual
    if said is None or own is None:
        return ""
    found = _written(spec)
    time = ""
    if said.of:
        node = parse_expression(said.of)
        if not isinstance(node, Name):
            raise ModelError(
                f"brms takes a column of times, and {said.of} is an expression: make it a column"
            )
        time = r_name(node.name)
    if found.consecutive:
        _check_consecutive(own)
    group = ":".join(map(r_name, said.factors))
    return f" + {found.term.format(time=time, group=group)}"


def in_stan(spec: Spec) -> bool:
    """Whether priors of residuals are written in Stan, that of sigma among them."""
    return spec.design.formula.residual is not None and bool(_written(spec).sd)


def residual_priors(spec: Spec) -> list[str]:
    """set_prior(...) of the numbers of the structure, and of a sigma whose prior is in Stan."""
    if spec.design.formula.residual is None:
        return []
    found, own = _written(spec), spec.priors.correlations
    if not found.numbers:
        return [f'set_prior("lkj({p.eta:.6g})", class = "cortime")' for p in own.values()]  # type: ignore[attr-defined]
    if found.sd:
        return ['set_prior("", class = "sigma")']
    return [
        f'set_prior("uniform({p.lower:.6g}, {p.upper:.6g})", class = "{name}")'  # type: ignore[attr-defined]
        for name, p in zip(found.numbers, own.values(), strict=True)
    ]


def stan_lines(spec: Spec) -> list[str]:
    """The argument of brm() that has priors in Stan; nothing where there are none."""
    if not in_stan(spec):
        return []
    found = _written(spec)
    numbers = zip(found.numbers, spec.priors.correlations.values(), strict=True)
    said = [f"target += {_of_number(name, prior)};" for name, prior in numbers]
    sigma = spec.priors.parameters[names.SIGMA].prior
    said.append(f"target += {log_density(sigma, f'sigma * {found.sd}')} + log({found.sd});")
    text = "\n".join(f"      {line}" for line in said)
    return [
        "  # priors of the correlation and of the residual sd; brms's sigma is that of innovations",
        f'  stanvars = stanvar(scode = "\n{text}\n    ", block = "model")',
    ]


def _written(spec: Spec) -> Written:
    """How brms has the structure; ModelError where it has not."""
    own, priors = spec.design.residual, spec.priors.correlations
    assert own is not None
    found = own.structure.residuals_elsewhere.get("brms")
    if found is None or own.by:
        raise ModelError(
            f"code('brms') cannot write residuals that are {own.text}: brms has ar(), arma(), "
            "cosy() and unstr(), which ar1, arma11, cosy and unstr are here, and none by arm"
        )
    if spec.design.formula.response.mi:
        raise ModelError(
            f"code('brms') cannot write mi() beside residuals that are {own.text}: in brms missing "
            "responses are parameters, and how they go with correlations is not known here"
        )
    if found.sd and names.SIGMA not in spec.priors.parameters:
        raise ModelError(
            f"code('brms') cannot write a formula of sigma beside {own.text}: there it is of the "
            "sd of innovations, which is another model"
        )
    for symbol, prior in priors.items():
        lower = prior.lower if isinstance(prior, Uniform) else -1.0
        if found.lower > -1 and not (isinstance(prior, Uniform) and lower >= found.lower):
            raise ModelError(
                f"brms's {found.numbers[0]}() is a correlation from {found.lower:g} to 1, and "
                f"{symbol} has the prior {prior}, which is wider: write priors={{{symbol!r}: "
                f"mb.Uniform({found.lower:g}, 1)}} for a model that both have"
            )
    return found


def _check_consecutive(own: Residual) -> None:
    order = np.lexsort((own.places, own.refs))
    at: Floats = own.structure.positions(own.n_positions)[own.places[order]]
    same = np.diff(own.refs[order]) == 0
    gaps = same & (np.diff(at) != 1)
    if gaps.any():
        raise ModelError(
            f"brms takes the rows of a {own.name} for consecutive visits, and "
            f"{len(np.unique(own.refs[order][1:][gaps])):,} of {len(own.levels):,} have gaps "
            f"between theirs, whose residuals {own.text} has further apart: that is another model"
        )


def _of_number(name: str, prior: Prior) -> str:
    if isinstance(prior, LKJ):
        return f"beta_lpdf(({name} + 1) / 2 | {prior.eta:.6g}, {prior.eta:.6g})"
    return log_density(prior, name)
