"""The ways to write the group effects for the sampler, as objects, and the choice between them.

All give the same posterior; they differ in the geometry that NUTS meets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.marginal.plan import MAX_DENSE
from mixedbayes.model.spec import Spec


@dataclass(frozen=True)
class Formulation:
    """Base of the formulations."""

    def __str__(self) -> str:
        return f"{type(self).__name__}()"


@dataclass(frozen=True)
class NonCentered(Formulation):
    """b = L u with u ~ Normal(0, I): independent of the sds a priori; good for sparse groups."""


@dataclass(frozen=True)
class Centered(Formulation):
    """b ~ Normal(0, L L') directly: good for groups with many informative rows."""


@dataclass(frozen=True)
class PartiallyCentered(Formulation):
    """Between the two, for each level by the share of information that its own rows give.

    Effects of nested factors are written relative to the coarser factors', and NUTS walks in the
    units of the posterior's curvature at its mode (Laplace's approximation), on a compiled density:
    nothing is compiled when a model is fitted. For the whole model; see `mixedbayes.joint`.
    """


@dataclass(frozen=True)
class Marginal(Formulation):
    """Effects integrated out in closed form and drawn back exactly; Gaussian models only.

    Effects of crossed factors meet in one dense block. Where it would have more than `max_dense`
    columns, the largest crossed factors stay in NUTS, and the others are integrated.
    """

    max_dense: int = MAX_DENSE

    def __post_init__(self) -> None:
        given = self.max_dense
        if isinstance(given, bool) or not isinstance(given, Integral) or given < 0:
            raise ModelError(f"Marginal(max_dense={given!r}): must be an integer, 0 or more")
        object.__setattr__(self, "max_dense", int(given))


@dataclass(frozen=True)
class Chosen:
    """A formulation for every grouping factor, and the reason in words."""

    groups: Mapping[str, Formulation]
    marginal: bool
    reason: str
    max_dense: int = MAX_DENSE
    joint: bool = False  # sampled on the compiled joint density

    def __str__(self) -> str:
        kinds = {str(f) for f in self.groups.values()}
        if self.marginal:
            return "Marginal()"
        if self.joint:
            return "PartiallyCentered()"
        if len(kinds) == 1:
            return kinds.pop()
        return ", ".join(f"{g}: {f}" for g, f in self.groups.items()) or "no group effects"


Request = Formulation | str | Mapping[str, Formulation]


def choose(request: Request, spec: Spec) -> Chosen:
    """Turn the user's request ("auto", an object, or one per grouping factor) into a choice."""
    groups = [names.prefix(p.parameter) + g.name for p in spec.design.predictors for g in p.groups]
    if isinstance(request, Mapping):
        return _per_group(request, groups)
    if isinstance(request, Marginal):
        obstacle = marginal_obstacle(spec)
        if obstacle:
            raise ModelError(f"Marginal() is not exact here: {obstacle}; use formulation='auto'")
        return Chosen(dict.fromkeys(groups, request), True, "as asked", request.max_dense)
    if isinstance(request, PartiallyCentered):
        obstacle = joint_obstacle(spec)
        if obstacle:
            raise ModelError(
                f"PartiallyCentered() is not possible here: {obstacle}; use formulation='auto'"
            )
        return Chosen(dict.fromkeys(groups, request), False, "as asked", joint=True)
    if isinstance(request, Formulation):
        return Chosen(dict.fromkeys(groups, request), False, "as asked")
    if request == "auto":
        return _auto(spec, groups)
    raise ModelError(
        f"formulation={request!r}: use 'auto', mb.Marginal(), mb.NonCentered(), mb.Centered(), "
        "or a dictionary such as {'Subject': mb.Centered()}"
    )


def _per_group(request: Mapping[str, Formulation], groups: list[str]) -> Chosen:
    unknown = [g for g in request if g not in groups]
    if unknown:
        raise ModelError(
            f"formulation: {unknown[0]!r} is not a grouping factor of this model "
            f"({', '.join(groups) or 'it has none'})"
        )
    for group, formulation in request.items():
        if not isinstance(formulation, NonCentered | Centered):
            raise ModelError(
                f"formulation of {group}: use mb.NonCentered() or mb.Centered(); {formulation} "
                "deals with all grouping factors together, so it is given for the whole model"
            )
    chosen = {g: request.get(g, NonCentered()) for g in groups}
    return Chosen(chosen, False, "as asked; NonCentered() where nothing was said")


def marginal_obstacle(spec: Spec) -> str | None:
    """Why the effects cannot be integrated out in closed form; None where they can."""
    if not spec.family.closed_form:
        return f"the {spec.family.name} family has no closed form"
    if spec.design.further:
        return f"{', '.join(spec.design.further)} has a formula of its own"
    return None


def _auto(spec: Spec, groups: list[str]) -> Chosen:
    obstacle = marginal_obstacle(spec)
    if obstacle is None:
        reason = "the response is Gaussian, so all effects integrate out exactly"
        return Chosen(dict.fromkeys(groups, Marginal()), True, reason)
    joint = joint_obstacle(spec)
    if joint is None:
        reason = (
            f"{obstacle}; each level's effects are centred as far as its own rows inform them, and "
            "walked in units of the posterior's curvature"
        )
        return Chosen(dict.fromkeys(groups, PartiallyCentered()), False, reason, joint=True)
    reason = obstacle if joint == obstacle else f"{obstacle}; {joint}"
    return Chosen(
        by_information(spec),
        False,
        f"{reason}; centred where a level's rows say more about its effects than the prior does",
    )


def with_effects(chosen: Chosen, spec: Spec) -> Chosen:
    """A choice for the model that has its group effects: this one, unless it integrates them."""
    if not (chosen.marginal or chosen.joint):
        return chosen
    return Chosen(by_information(spec), False, "by what a level's rows say about its effects")


def joint_obstacle(spec: Spec) -> str | None:
    """Why the compiled joint density cannot serve; None where it can."""
    from mixedbayes.joint.density import obstacle

    return obstacle(spec.design, spec.family, spec.priors)


def by_information(spec: Spec) -> dict[str, Formulation]:
    """Centred where a typical level's rows say more about its effects than their prior does.

    With s half of the default prior's mean sd and I the rows' information about the level's
    intercept, the rows' share is s^2 I / (1 + s^2 I); a factor is centred if its levels' mean share
    is above one half. Papaspiliopoulos, Roberts & Sköld (2007), doi:10.1214/088342307000000014.
    """
    information = _row_information(spec)
    s = 0.5 * spec.family.scale(spec.design)
    out: dict[str, Formulation] = {}
    for g in spec.design.mu.groups:
        signal = s**2 * np.bincount(g.refs, information, g.n_levels)
        share = float(np.mean(signal / (1 + signal)))
        out[g.name] = Centered() if share > 0.5 else NonCentered()
    for predictor in spec.design.predictors[1:]:
        for g in predictor.groups:
            out[names.prefix(predictor.parameter) + g.name] = NonCentered()
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
    weights = np.ones(design.n) if design.weights is None else design.weights
    trials = np.ones(design.n) if design.trials is None else design.trials
    with np.errstate(all="ignore"):
        found = family.information(eta, parameters)[0] * weights * trials
    return np.nan_to_num(np.broadcast_to(found, design.n))
