"""A Gaussian model as plain PyMC code, with its priors."""

from __future__ import annotations

from collections.abc import Sequence

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.distributions import Flat, Prior
from mixedbayes.errors import ModelError
from mixedbayes.interop.writing import lines, said
from mixedbayes.model.coords import response_name
from mixedbayes.model.spec import Spec
from mixedbayes.priors.placement import Placement
from mixedbayes.priors.types import PredictorPriors


def plain_pymc(spec: Spec) -> str:
    """PyMC code for Gaussian models; the columns come from the model's design."""
    further = bool(spec.design.further)
    if not spec.family.closed_form or spec.design.weights is not None or further:
        raise ModelError(
            'code("pymc") writes Gaussian models with identity link whose rows are equally '
            "precise, by one formula; `pymc` is the PyMC model of any other"
        )
    return lines(
        "import mixedbayes as mb",
        "import numpy as np",
        "import pymc as pm",
        "import pytensor.tensor as pt",
        "",
        f"design = mb.Model({spec.design.formula.text!r}, data).design",
        "",
        pymc_code(spec),
    )


def pymc_code(spec: Spec) -> str:
    """The model, non-centred, from the arrays of `design`; imports are not in it.

    Variables have the names of `Fit.idata`, with dots and other signs that Python does not allow
    in names replaced.
    """
    design, priors = spec.design, spec.priors
    mu = design.mu
    sigma = priors.parameters[names.SIGMA].prior
    fixed = ["Intercept"] if mu.intercept else []
    fixed += ["design.mu.X @ fixef"] if mu.terms else []
    fixed += ["design.mu.offset"] if mu.offset is not None else []
    body = [
        *_population(spec),
        f"mean = {' + '.join(fixed) or '0.0'}",
        *[line for g in mu.factors for line in _group(g, priors.mu)],
        f"sigma = {_one('sigma', sigma, positive=True)}",
        f'pm.Normal("{response_name(spec)}", mean, sigma, observed=design.y)',
    ]
    return lines("with pm.Model() as pymc_model:", [f"    {line}" for line in body])


def _population(spec: Spec) -> list[str]:
    mu, priors = spec.design.mu, spec.priors.mu
    out = []
    if mu.terms:
        out.append(f"# {said(*mu.terms)}")
        own = "fixef" if priors.population is None else names.at_means("fixef")
        out += _vector(own, [a.prior for a in priors.fixef])
        if priors.population is not None:
            out += [
                "# priors at the columns' means; the coefficients at zero follow by a linear map",
                f"T = np.array({_matrix(priors.population)})",
                'fixef = pm.Deterministic("fixef", T @ fixef_at_means)',
            ]
    if priors.intercept is None:
        return out
    prior = priors.intercept.prior
    if not (mu.terms and priors.intercept_at_means):
        return [*out, f"Intercept = {_one('Intercept', prior)}"]
    return [
        *out,
        "# the mean of the response where every column is at its own mean",
        f"at_means = {_one('Intercept_at_means', prior)}",
        'Intercept = pm.Deterministic("Intercept", at_means - design.mu.X.mean(axis=0) @ fixef)',
    ]


def _group(g: GroupDesign, priors: PredictorPriors) -> list[str]:
    t, q = _tag(g), len(g.terms)
    placement = priors.placed.get(g.name)
    out = [f"# {said(g.name)}: {said(*g.terms)}"]
    if placement is not None:
        out.append("# priors at the columns' means; the effects at zero follow by a linear map")
        out.append(f"T_{t} = np.array({_matrix(placement)})")
    out += _vector(sd_name(g, priors), [a.prior for a in priors.sd[g.name]], positive=True)
    scale = sd_name(g, priors)
    if g.correlated:
        prior = priors.cor[g.name].prior
        blocks = [b for b in g.blocks if len(b) > 1]
        if len(blocks) == 1 and len(blocks[0]) == q:
            root = g.covariance.written("pymc", variable=f"C_{t}", k=q, prior=prior)
            out.append(f"C_{t} = {root}  # C C': correlations")
        else:
            out.append(f"C_{t} = pt.eye({q})")
            for k, block in enumerate(blocks):
                at = f"np.ix_({list(block)}, {list(block)})"
                own = {"variable": f"C_{t}_{k}", "k": len(block), "prior": prior}
                factor = g.covariance.written("pymc", **own)
                out.append(f"C_{t} = pt.set_subtensor(C_{t}[{at}], {factor})")
        scale = f"C_{t}.T * {scale}"
    product = f"u_{t} * {scale}" if not g.correlated else f"u_{t} @ ({scale})"
    product += "" if placement is None else f" @ T_{t}.T"
    return [
        *out,
        f'u_{t} = pm.Normal("u_{t}", 0.0, 1.0, shape=({g.n_levels}, {q}))',
        f'ranef_{t} = pm.Deterministic("ranef_{t}", {product})',
        f"group = design.mu.group({g.name!r})",
        f"mean = mean + (group.Z * ranef_{t}[group.refs]).sum(axis=1)",
    ]


def _matrix(placement: Placement) -> list[list[float]]:
    return [[_number(x) for x in row] for row in placement.T]


def sd_name(g: GroupDesign, priors: PredictorPriors) -> str:
    """The variable of a factor's standard deviations that has the prior."""
    return priors.name(f"sd_{_tag(g)}", g.name)


def _vector(name: str, priors: Sequence[Prior], *, positive: bool = False) -> list[str]:
    kinds = [_call(p, positive) for p in priors]
    if len({kind for kind, _ in kinds}) == 1 and kinds[0][1]:
        kind, first = kinds[0]
        args = ", ".join(f"{k}={[_number(a[k]) for _, a in kinds]}" for k in first)
        return [f'{name} = pm.{kind}("{name}", {args})']
    each = ", ".join(_one(f"{name}_{k}", p, positive=positive) for k, p in enumerate(priors))
    return [f"{name} = pt.stack([{each}])"]


def _one(name: str, prior: Prior, *, positive: bool = False) -> str:
    kind, values = _call(prior, positive)
    args = ", ".join([f'"{name}"', *(f"{k}={_number(v)}" for k, v in values.items())])
    return f"pm.{kind}({args})"


def _call(prior: Prior, positive: bool) -> tuple[str, dict[str, float]]:
    return ("HalfFlat", {}) if positive and isinstance(prior, Flat) else prior.pymc()


def _number(value: float) -> float:
    """Twelve digits, enough for any purpose."""
    return float(f"{float(value):.12g}")


def _tag(g: GroupDesign) -> str:
    return names.identifier(g.name).replace(".", "_")
