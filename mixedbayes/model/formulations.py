"""The ways to write the group effects for the sampler, as objects.

All give the same posterior; they differ in the geometry that samplers meet. Those of a whole model
stand beside the engine that they ask for, in `mixedbayes.engines`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Across, Floats, GroupDesign
from mixedbayes.model.responses import spec_of
from mixedbayes.model.spec import Spec
from mixedbayes.priors.types import PredictorPriors
from mixedbayes.terms.base import need_plain


@dataclass(frozen=True)
class Formulation:
    """Base of the formulations; `whole` are those that are given for the whole model."""

    whole: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"{type(self).__name__}()"


@dataclass(frozen=True)
class EachFactor(Formulation):
    """Base of those that a grouping factor may have for itself: how PyMC writes its effects."""

    whole: ClassVar[bool] = False

    @abstractmethod
    def effects(self, g: GroupDesign, priors: PredictorPriors, sd: Any, L: Any | None) -> Any:
        """(J, q) effects on the original scale, named `ranef_<group>`, inside a model context.

        `L` is the Cholesky factor of their covariance, None where that is diag(sd)^2.
        """

    @abstractmethod
    def across(self, a: Across, L: Any) -> Any:
        """(J, q) a factor's effects on several parameters, of which the priors are; in a model."""


@dataclass(frozen=True)
class NonCentered(EachFactor):
    """b = L u with u ~ Normal(0, I): independent of the sds a priori; good for sparse groups.

    See Also
    --------
    Centered : The other way.
    PartiallyCentered : In between, and quicker.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> model = mb.Model(
    ...     "Reaction ~ Days + (1 | Subject)", sleep, formulation={"Subject": mb.NonCentered()}
    ... )
    >>> print(model.formulation)
    NonCentered()
    """

    def effects(self, g: GroupDesign, priors: PredictorPriors, sd: Any, L: Any | None) -> Any:
        import pymc as pm

        from mixedbayes.model.covariance import effects_at_zero, law_of

        p = priors.parameter
        dims = (g.level_dim(p), names.group_term_dim(g.name, p))
        kind, arguments = law_of(g, priors).pymc
        u = getattr(pm, kind)(names.spherical(g.name, p), **arguments, dims=dims)
        b = g.mixed(u * sd if L is None else u @ L.T)
        if g.name in priors.placed:
            b = effects_at_zero(g, priors, b)
        return pm.Deterministic(names.ranef(g.name, p), b, dims=dims)

    def across(self, a: Across, L: Any) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        level, u = names.group_dim(a.name), []
        for p, _ in a.members:
            dims = level, names.group_term_dim(a.name, p)
            u.append(pm.Normal(names.spherical(a.name, p), dims=dims))
        return pt.concatenate(u, axis=1) @ L.T


@dataclass(frozen=True)
class Centered(EachFactor):
    """b ~ Normal(0, L L') directly: good for groups with many informative rows.

    See Also
    --------
    NonCentered : The other way.
    PartiallyCentered : In between, and quicker.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> model = mb.Model(
    ...     "Reaction ~ Days + (1 | Subject)", sleep, formulation={"Subject": mb.Centered()}
    ... )
    >>> print(model.formulation)
    Centered()
    """

    def effects(self, g: GroupDesign, priors: PredictorPriors, sd: Any, L: Any | None) -> Any:
        import pymc as pm

        from mixedbayes.model.covariance import effects_at_zero

        need_plain([g], "Centered()")
        p = priors.parameter
        name = names.ranef(g.name, p)
        dims = (g.level_dim(p), names.group_term_dim(g.name, p))
        if L is None:
            return pm.Normal(name, 0.0, sd, dims=dims)
        own = priors.name(name, g.name)
        b = pm.MvNormal(own, np.zeros(len(g.terms)), chol=L, dims=dims)
        if own == name:
            return b
        return pm.Deterministic(name, effects_at_zero(g, priors, b), dims=dims)

    def across(self, a: Across, L: Any) -> Any:
        import pymc as pm

        dims = names.group_dim(a.name), names.effect_dim(a.name)
        return pm.MvNormal(names.across(a.name), np.zeros(len(a.terms)), chol=L, dims=dims)


def by_information(spec: Spec) -> dict[str, EachFactor]:
    """Centred where a typical level's rows say more about its effects than their prior does.

    With s half of the default prior's mean sd and I the rows' information about the level's
    intercept, the rows' share is s^2 I / (1 + s^2 I); a factor is centred if its levels' mean share
    is above one half. Effects on further parameters are not centred, nor those correlated with
    them. Papaspiliopoulos, Roberts & Sköld (2007), doi:10.1214/088342307000000014.
    """
    of_rows = _signal(spec)
    out: dict[str, EachFactor] = {}
    for g in spec.design.mu.groups:
        if g.entangled or spec.design.joined(g.name):
            out[g.name] = NonCentered()
            continue
        signal = np.bincount(g.refs, of_rows, g.n_levels)
        share = float(np.mean(signal / (1 + signal)))
        out[g.name] = Centered() if share > 0.5 and g.law.normal else NonCentered()
    for predictor in spec.design.predictors[1:]:
        for g in predictor.groups:
            out[spec.design.formulated(predictor.parameter, g.name)] = NonCentered()
    return out


def _signal(spec: Spec) -> Floats:
    """(n,) s^2 of each row's response times the row's information."""
    every = spec.design.several
    if every is None:
        return np.asarray((0.5 * spec.family.scale(spec.design)) ** 2 * _row_information(spec))
    out = np.empty(spec.design.n)
    for k in range(len(every.names)):
        out[every.at(k)] = _signal(spec_of(spec, k))
    return out


def _row_information(spec: Spec) -> Floats:
    """(n,) information of each row about its predictor, where all rows have the same mean."""
    design, family = spec.design, spec.family
    eta = np.full((1, design.n), family.location(design))
    parameters = {
        name: np.atleast_1d(family.typical(name, design, spec.priors.parameters.get(name)))[None]
        for name in family.parameters
    }
    parameters = {k: v if v.shape[1] > 1 else v[:, 0] for k, v in parameters.items()}
    with np.errstate(all="ignore"):
        found = family.design_information(eta, parameters, design)
    return np.nan_to_num(np.broadcast_to(found, eta.shape)[0])
