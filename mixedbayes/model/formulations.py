"""The ways to write the group effects for the sampler, as objects, and the choice between them.

All give the same posterior; they differ in the geometry that NUTS meets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixedbayes.errors import ModelError
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.links import Identity
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
class Marginal(Formulation):
    """Effects integrated out in closed form and drawn back exactly; Gaussian models only.

    Effects of crossed factors meet in one dense block. Where it would have more than `max_dense`
    columns, the largest crossed factors stay in NUTS, and the others are integrated.
    """

    max_dense: int = MAX_DENSE


@dataclass(frozen=True)
class Chosen:
    """A formulation for every grouping factor, and the reason in words."""

    groups: Mapping[str, Formulation]
    marginal: bool
    reason: str
    max_dense: int = MAX_DENSE

    def __str__(self) -> str:
        kinds = {str(f) for f in self.groups.values()}
        if self.marginal:
            return "Marginal()"
        if len(kinds) == 1:
            return kinds.pop()
        return ", ".join(f"{g}: {f}" for g, f in self.groups.items()) or "no group effects"


Request = Formulation | str | Mapping[str, Formulation]


def choose(request: Request, spec: Spec) -> Chosen:
    """Turn the user's request ("auto", an object, or one per grouping factor) into a choice."""
    groups = [g.name for p in (spec.design.mu, *spec.design.others.values()) for g in p.groups]
    if isinstance(request, Mapping):
        return _per_group(request, groups)
    if isinstance(request, Marginal):
        obstacle = marginal_obstacle(spec)
        if obstacle:
            raise ModelError(f"Marginal() is not exact here: {obstacle}; use formulation='auto'")
        return Chosen(dict.fromkeys(groups, request), True, "as asked", request.max_dense)
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
                f"formulation of {group}: use mb.NonCentered() or mb.Centered(); Marginal() "
                "integrates out all grouping factors together, so it is given for the whole model"
            )
    chosen = {g: request.get(g, NonCentered()) for g in groups}
    return Chosen(chosen, False, "as asked; NonCentered() where nothing was said")


def marginal_obstacle(spec: Spec) -> str | None:
    """Why the effects cannot be integrated out in closed form; None where they can."""
    if type(spec.family) is not Gaussian or not isinstance(spec.family.link, Identity):
        return f"the {spec.family.name} family has no closed form"
    if spec.design.others:
        return f"{', '.join(spec.design.others)} has a formula of its own"
    return None


def _auto(spec: Spec, groups: list[str]) -> Chosen:
    obstacle = marginal_obstacle(spec)
    if obstacle is None:
        reason = "the response is Gaussian, so all effects integrate out exactly"
        return Chosen(dict.fromkeys(groups, Marginal()), True, reason)
    return Chosen(dict.fromkeys(groups, NonCentered()), False, f"not Marginal(): {obstacle}")
