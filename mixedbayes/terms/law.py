"""The law of the standardised effects u in b = L u: what is not their covariance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Law(ABC):
    """Independent u with mean 0, whose scale is the effects' sds; `gr(g, law="name")` in a formula.

    Engines that integrate or linearise effects take normal ones alone; PyMC's graph takes any.
    """

    name: ClassVar[str]
    normal: ClassVar[bool] = False
    latex: ClassVar[str]  # of the distribution: "\\mathcal{N}"

    @property
    @abstractmethod
    def variance(self) -> float:
        """Of u."""

    @property
    @abstractmethod
    def pymc(self) -> tuple[str, dict[str, Any]]:
        """PyMC's distribution of one u, by name, and its arguments."""

    @abstractmethod
    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        """Draws of u."""


@dataclass(frozen=True)
class NormalLaw(Law):
    """u ~ N(0, 1)."""

    name: ClassVar[str] = "normal"
    normal: ClassVar[bool] = True
    latex: ClassVar[str] = r"\mathcal{N}"

    @property
    def variance(self) -> float:
        return 1.0

    @property
    def pymc(self) -> tuple[str, dict[str, Any]]:
        return "Normal", {"mu": 0.0, "sigma": 1.0}

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        return rng.standard_normal(shape)


NORMAL = NormalLaw()
