"""The observed variable of a pm.Model, on the scale of `observed_data`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import Ints
from mixedbayes.families.base import Family
from mixedbayes.model.coords import response_dims, response_name, response_names
from mixedbayes.model.data import as_data
from mixedbayes.model.laws import zero_inflated
from mixedbayes.model.limited import limited_logp
from mixedbayes.model.residual import correlated_response, residual_correlations
from mixedbayes.model.responses import spec_of
from mixedbayes.model.spec import Spec


def responses(spec: Spec, eta: Any, parameters: Mapping[str, Any]) -> None:
    """Responses of different families, each in its own rows, `obs_<name>`."""
    every = spec.design.several
    assert every is not None
    called = response_names(spec)
    for k, name in enumerate(every.names):
        own, at = spec_of(spec, k), every.at(k)
        h, mine = spec.family.of_rows(k, eta, parameters, lambda x, at=at: x[at], pt)
        model = pm.modelcontext(None)
        given = {
            what: model[what][at]
            for what in ("weights", "trials")
            if getattr(own.design, what) is not None
        }
        kind, args = own.family.pymc(h, mine, replace(own.design, **given), pt)
        response(
            own,
            kind,
            args,
            h,
            mine,
            name=called[name],
            rows=at,
            dims=response_dims(spec, k, called[name]),
        )


def response(
    spec: Spec,
    kind: str,
    args: dict[str, Any],
    eta: Any,
    parameters: Mapping[str, Any],
    *,
    name: str = "",
    dims: tuple[str, ...] = (),
    rows: Ints | None = None,
) -> Any:
    """The response, with the distribution of this kind; named by the user's response, or `name`.

    `rows` are its own among those of several responses.

    A row that counts w times has w times its log density, so that PyMC's log likelihood is that
    of the rows; what is drawn are single responses. Ordered categories have the codes 1, ..., K.
    Of censored and truncated responses the log density is that of what is known of them; what is
    drawn are responses before censoring and truncation.
    """
    family, design = spec.family, spec.design
    name = name or response_name(spec)
    y = family.reported(design.y)
    dims = dims or (names.OBS, *family.response_labels)
    observed = pm.Data(f"{name}_data", as_data(y), dims=dims)
    if design.residual is not None:
        R = residual_correlations(spec, design.residual)
        mu, sd = args["mu"], args["sigma"]
        return correlated_response(name, design.residual, mu, sd, R, observed, dims)
    law = distribution_of(family, kind)
    repeated = design.weights is not None and family.repeats_rows
    first = family.first_code
    if not repeated and not first and design.limits is None:
        return law(name, **args, observed=observed, dims=dims)
    weights = [pm.modelcontext(None)["weights"]] if repeated else []
    weights = [w if rows is None else w[rows] for w in weights]
    own = [] if design.limits is None else [eta, *(parameters[p] for p in family.parameters)]
    given = [*args.values(), *own, *weights]

    def of(parameters: Any, **options: Any) -> Any:
        return law.dist(**dict(zip(args, parameters, strict=True)), **options)

    def draw(*inputs: Any) -> Any:
        *parameters, size = inputs
        return of(parameters[: len(args)], size=size) + first

    def logp(value: Any, *inputs: Any) -> Any:
        parameters = inputs[: len(args)]
        if design.limits is None:
            found = pm.logp(of(parameters), value - first)
        else:

            def of_rows(rows: Ints) -> Any:
                return of([p[rows] if p.ndim and p.type.shape != (1,) else p for p in parameters])

            linear, *values = inputs[len(args) : len(args) + len(own)]
            found = limited_logp(family, design, value, of_rows, linear, values)
        return found * inputs[-1] if repeated else found

    return pm.CustomDist(
        name,
        *given,
        dist=draw,
        logp=logp,
        ndim_supp=len(dims) - 1,
        ndims_params=[max(np.ndim(a) - 1, 0) for a in given],  # of one row
        class_name=kind,
        observed=observed,
        dims=dims,
    )


def distribution_of(family: Family, kind: str) -> Any:
    """PyMC's distribution of this name, or that of the family's own density and simulation.

    One with more zeros that PyMC lacks is made of that which has them not.
    """
    if hasattr(pm, kind):
        return getattr(pm, kind)
    return zero_inflated(kind) or _Own(family, kind)


@dataclass(frozen=True)
class _Own:
    """A distribution that PyMC has not, used as those that it has."""

    family: Family
    kind: str

    def __call__(self, name: str, *, observed: Any, dims: Any, **args: Any) -> Any:
        return pm.CustomDist(
            name, *args.values(), **self._functions(args), observed=observed, dims=dims
        )

    def dist(self, *, size: Any = None, **args: Any) -> Any:
        shape = None if "shape" in self.family.parameters else args.pop("shape", None)
        given = {k: v for k, v in {"size": size, "shape": shape}.items() if v is not None}
        return pm.CustomDist.dist(*args.values(), **self._functions(args), **given)

    def _functions(self, args: dict[str, Any]) -> dict[str, Any]:
        family = self.family

        def logp(value: Any, *given: Any) -> Any:
            return family.pymc_logp(value, dict(zip(args, given, strict=True)), pt)

        def logcdf(value: Any, *given: Any) -> Any:
            return family.pymc_logcdf(value, dict(zip(args, given, strict=True)), pt)

        def random(*given: Any, rng: Any = None, size: Any = None) -> Any:
            shape = np.broadcast_shapes(*map(np.shape, given)) if size is None else tuple(size)
            rows = (np.broadcast_to(x, shape).reshape(1, -1) for x in given)
            values = dict(zip(args, rows, strict=True))
            return family.simulate(values.pop("mu"), values, rng).reshape(shape)

        return {"logp": logp, "logcdf": logcdf, "random": random, "class_name": self.kind}
