"""A model before any formulation is chosen: the input of everything that builds or samples it."""

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
