"""Effects of one factor that are correlated across parameters, in PyMC."""

from __future__ import annotations

import pymc as pm
import pytensor.tensor as pt

from mixedbayes import names
from mixedbayes.design.types import Across
from mixedbayes.model.covariance import correlation_root, standard_deviations
from mixedbayes.model.formulations import EachFactor
from mixedbayes.model.variables import number
from mixedbayes.priors.types import Priors


def effects_across(a: Across, priors: Priors, formulation: EachFactor) -> None:
    """Put all effects over a factor into the model at hand, under the names of each parameter's.

    The sds are those of each parameter by themselves, the correlations one matrix `cor_<group>`.
    Where priors are placed at the columns' means, so are the variables; what is at zero follows.
    """
    own = [(priors.predictor(p), g) for p, g in a.members]
    sd = pt.concatenate([standard_deviations(g, p) for p, g in own])
    (C, _), placement = correlation_root(a.effects, priors.joined(a)), priors.placement(a)
    cor, dims = names.cor(a.name), (names.effect_dim(a.name), names.effect_bis_dim(a.name))
    here = cor if placement is None else names.at_means(cor)
    pm.Deterministic(here, C @ C.T, dims=dims)
    L = sd[:, None] * C
    b = formulation.across(a, L)
    if placement is not None:
        T = number(f"placed_{cor}", placement.T)
        root = T @ L
        at_zero = pt.sqrt((root**2).sum(axis=1))
        unit = root / at_zero[:, None]
        pm.Deterministic(cor, unit @ unit.T, dims=dims)
        for each, g in own:
            if g.name in each.placed:
                p = each.parameter
                dim = names.group_term_dim(g.name, p)
                pm.Deterministic(names.sd(g.name, p), at_zero[a.places[p]], dims=dim)
        b = b @ T.T
    for p, _ in a.members:
        dims = names.group_dim(a.name), names.group_term_dim(a.name, p)
        pm.Deterministic(names.ranef(a.name, p), b[:, a.places[p]], dims=dims)
