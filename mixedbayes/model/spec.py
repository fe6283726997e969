"""A model before any engine is chosen: the input of everything that builds or samples it."""

from dataclasses import dataclass

from mixedbayes import names
from mixedbayes.design.types import Design
from mixedbayes.families.base import Family
from mixedbayes.families.links import Log
from mixedbayes.priors.types import Priors


@dataclass(frozen=True, eq=False)
class Spec:
    """Design, family and priors of one model."""

    design: Design
    family: Family
    priors: Priors

    @property
    def closed_form_obstacle(self) -> str | None:
        """Why the effects cannot be integrated out in closed form; None where they can."""
        if not self.family.closed_form:
            return f"the {self.family.name} family has no closed form"
        if self.design.limits is not None:
            limits = self.design.limits
            known = "known within limits only" if limits.censoring is not None else "truncated"
            said = " and ".join(self.design.formula.response.limits)
            return f"responses are {known}" + (f", {said}" if said else "")
        for p in self.design.predictors[1:]:
            if p.monotonic:
                own = f"{p.monotonic[0].name} in the formula of {p.parameter}"
                return f"the steps of {own} are products of parameters"
        return self._scale_obstacle or self.design.no_closed_form or None

    @property
    def _scale_obstacle(self) -> str:
        """Why a formula of sigma's is not taken in closed form; empty where there is none, or it
        is.
        """
        for name in self.design.further:
            predictor = self.design.predictor(name)
            if name != names.SIGMA or not isinstance(self.family.parameter_link(name), Log):
                return f"{name} has a formula of its own"
            if predictor.groups:
                said = " and ".join(g.name for g in predictor.groups)
                return f"the formula of {name} has effects of {said}"
        return ""
