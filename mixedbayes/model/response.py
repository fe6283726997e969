"""The observed variable of a pm.Model, on the scale of `observed_data`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm

from mixedbayes import names
from mixedbayes.design.types import Ints
from mixedbayes.model.coords import response_name
from mixedbayes.model.data import as_data
from mixedbayes.model.limited import limited_logp
from mixedbayes.model.spec import Spec


def response(spec: Spec, kind: str, args: dict[str, Any]) -> Any:
    """The response, with the distribution of this kind; named by the user's response.

    A row that counts w times has w times its log density, so that PyMC's log likelihood is that
    of the rows; what is drawn are single responses. Ordered categories have the codes 1, ..., K.
    Of censored and truncated responses the log density is that of what is known of them; what is
    drawn are responses before censoring and truncation.
    """
    family, design = spec.family, spec.design
    name = response_name(spec)
    y = family.reported(design.y)
    observed = pm.Data(f"{name}_data", as_data(y), dims=names.OBS)
    distribution = getattr(pm, kind)
    repeated = design.weights is not None and family.repeats_rows
    first = family.first_code
    if not repeated and not first and design.limits is None:
        return distribution(name, **args, observed=observed, dims=names.OBS)
    weights = [pm.modelcontext(None)["weights"]] if repeated else []

    def of(parameters: Any, **options: Any) -> Any:
        return distribution.dist(**dict(zip(args, parameters, strict=True)), **options)

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

            found = limited_logp(family, design, value, of_rows)
        return found * inputs[-1] if repeated else found

    return pm.CustomDist(
        name,
        *args.values(),
        *weights,
        dist=draw,
        logp=logp,
        ndims_params=[max(np.ndim(a) - 1, 0) for a in (*args.values(), *weights)],  # of one row
        class_name=kind,
        observed=observed,
        dims=names.OBS,
    )
