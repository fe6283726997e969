"""Effects with a peak and heavy tails, as a law of one's own."""

from dataclasses import dataclass
from typing import ClassVar

from mixedbayes.terms.law import Law


@dataclass(frozen=True)
class LaplaceLaw(Law):
    """u ~ Laplace(0, 1), the double exponential distribution."""

    name: ClassVar[str] = "laplace"
    title: ClassVar[str] = "Laplace"
    latex: ClassVar[str] = r"\mathrm{Laplace}"

    @property
    def variance(self):
        return 2.0

    @property
    def pymc(self):
        return "Laplace", {"mu": 0.0, "b": 1.0}

    def draw(self, shape, rng):
        return rng.laplace(size=shape)
