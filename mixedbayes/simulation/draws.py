"""Values of all parameters as a posterior of one draw, of which everything can be asked."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.model.spec import Spec
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.labels import by_name
from mixedbayes.simulation.parameters import Parameters


def one_draw(spec: Spec, values: Parameters) -> Posterior:
    """The posterior whose only draw are these values, of the rows of `spec`."""
    found: dict[str, Floats] = {**values.own, **values.residual, **_across(values)}
    for predictor in spec.design.predictors:
        p = predictor.parameter
        own = values.predictors[p]
        if predictor.intercept:
            found[names.intercept(p)] = np.asarray(own.intercept)
        if predictor.terms:
            found[names.fixef(p)] = own.fixef
        for g in predictor.groups:
            found[names.sd(g.name, p)] = g.told_sd(own.sd[g.name][None])[0]
            if g.correlated and spec.design.joined(g.name) is None:
                found[names.cor(g.name, p)] = g.told_cor(own.cor[g.name][None])[0]
            found[names.ranef(g.name, p)] = own.ranef[g.name]
    draws = {name: np.asarray(x, float)[None] for name, x in found.items()}
    tree = xr.DataTree.from_dict({"posterior": by_name(spec, draws, (1, 1))})
    return Posterior(spec, tree)


def _across(values: Parameters) -> dict[str, Floats]:
    return {names.cor(name): np.asarray(x) for name, x in values.across.items()}
