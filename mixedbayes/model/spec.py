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
            said = " and ".join(self.design.formula.response.limits)
            return f"{said or 'a limit'} leaves responses known within limits alone"
        if self.design.further:
            return f"{', '.join(self.design.further)} has a formula of its own"
        return self.design.peculiarity or None
