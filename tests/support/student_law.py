"""Heavy-tailed effects, as a law of one's own."""

from dataclasses import dataclass
from typing import ClassVar

from mixedbayes.terms.law import Law


@dataclass(frozen=True)
class StudentLaw(Law):
    """u ~ Student-t with 3 degrees of freedom."""

    name: ClassVar[str] = "student"
    latex: ClassVar[str] = r"t_3"

    @property
    def variance(self):
        return 3.0

    @property
    def pymc(self):
        return "StudentT", {"nu": 3.0, "mu": 0.0, "sigma": 1.0}

    def draw(self, shape, rng):
        return rng.standard_t(3, shape)
