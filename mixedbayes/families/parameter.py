"""What a family declares of a parameter besides the mean."""

from __future__ import annotations

from dataclasses import dataclass, field

from mixedbayes.families.links import Identity, Link, Log


@dataclass(frozen=True)
class Parameter:
    """One of a family's own parameters, besides the mean."""

    name: str
    symbol: str  # in LaTeX
    link: Link = field(default_factory=Log)  # of a formula of its own; its range is the parameter's
    formula: bool = True  # whether it may have one
    level: bool = False  # numbers that take the intercept's place; see `labels`
    ordered: bool = False  # whether these increase
    optional: bool = False  # there with a formula alone, its intercept 0; else as at predictor 0
    averages: bool = True  # whether results average over its formula; else it is at its mean

    @property
    def real(self) -> bool:
        """Whether it is one number that may be negative."""
        return not self.level and isinstance(self.link, Identity)
