"""Random variables made from prior objects: the only place that knows PyMC's names for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from mixedbayes import names
from mixedbayes.distributions import Flat, Prior


class Reusable(pm.Model):
    """A pm.Model in which all numbers that come from the data are shared variables.

    A compiled function of such a model serves other data of the same structure. PyMC draws again
    whatever depends on a shared variable that a trace does not hold, so that a model which is
    handed out has constants instead.
    """


def number(name: str, value: Any) -> Any:
    """A number, or an array of them, that follows from the data or from a prior."""
    value = np.asarray(value, float)
    if isinstance(pm.modelcontext(None), Reusable):
        return pytensor.shared(value, name=name, shape=value.shape)
    return pt.constant(value, name=name)


def _numbers(name: str, args: dict[str, Any]) -> dict[str, Any]:
    """A distribution's arguments; what is an expression already stays as it is."""
    return {
        k: v if isinstance(v, Variable) else number(f"prior_{name}_{k}", v) for k, v in args.items()
    }


def _distribution(prior: Prior, positive: bool) -> tuple[str, dict[str, Any]]:
    if positive and isinstance(prior, Flat):
        return "HalfFlat", {}
    return prior.pymc()


def scalar(name: str, prior: Prior, *, positive: bool = False) -> Any:
    """One parameter with this prior."""
    kind, args = _distribution(prior, positive)
    return getattr(pm, kind)(name, **_numbers(name, args))


def vector(
    name: str,
    priors: Sequence[Prior],
    labels: Sequence[str],
    dim: str | None,
    *,
    positive: bool = False,
) -> Any:
    """A labelled vector of parameters: one variable where the priors are of one kind."""
    kinds = [_distribution(p, positive) for p in priors]
    if len({kind for kind, _ in kinds}) == 1:
        kind = kinds[0][0]
        args = {k: np.array([a[k] for _, a in kinds]) for k in kinds[0][1]}
        return getattr(pm, kind)(name, **_numbers(name, args), dims=dim)
    parts = [
        scalar(names.part(name, label), prior, positive=positive)
        for label, prior in zip(labels, priors, strict=True)
    ]
    return pm.Deterministic(name, pt.stack(parts), dims=dim)


def shifted(name: str, prior: Prior, by: Any) -> Any | None:
    """x + by where x has this prior; None where the prior is no location family."""
    moved = prior.shifted(by)
    return None if moved is None else getattr(pm, moved[0])(name, **_numbers(name, moved[1]))


def ordered(name: str, prior: Prior, size: int, dim: str) -> Any:
    """(size,) independent draws from the prior, put in order."""
    kind, args = _distribution(prior, False)
    distribution = getattr(pm, kind)
    given = _numbers(name, args)

    def of(parameters: Any, **options: Any) -> Any:
        return distribution.dist(**dict(zip(given, parameters, strict=True)), **options)

    def draw(*inputs: Any) -> Any:
        return pt.sort(of(inputs[:-1], size=(size,)))

    def logp(value: Any, *parameters: Any) -> Any:
        return pm.logp(of(parameters), value).sum()

    def start(_: Any, shape: Any, *parameters: Any) -> Any:
        centre = pm.distributions.distribution.support_point(of(parameters, size=(size,)))
        return centre + np.linspace(-1.0, 1.0, size)

    return pm.CustomDist(
        name,
        *given.values(),
        dist=draw,
        logp=logp,
        support_point=start,
        ndim_supp=1,
        class_name=f"Ordered{kind}",
        transform=pm.distributions.transforms.ordered,
        dims=dim,
    )
