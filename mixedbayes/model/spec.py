"""A model before any engine is chosen: the input of everything that builds or samples it."""

from dataclasses import dataclass

from mixedbayes.design.types import Design
from mixedbayes.families.base import Family
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
        if self.design.residual is not None:
            return f"residuals are correlated, {self.design.residual.text}"
        for p in self.design.predictors[1:]:
            if p.monotonic:
                own = f"{p.monotonic[0].name} in the formula of {p.parameter}"
                return f"the steps of {own} are products of parameters"
        if self.design.further:
            return f"{', '.join(self.design.further)} has a formula of its own"
        return self.design.no_closed_form or None
