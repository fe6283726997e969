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
    """Independent u with mean 0; sds of effects are those of b where u has variance 1.

    Engines that integrate or linearise effects take normal ones alone; PyMC's graph takes any.
    """

    name: ClassVar[str]
    normal: ClassVar[bool] = False

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

    @property
    def pymc(self) -> tuple[str, dict[str, Any]]:
        return "Normal", {"mu": 0.0, "sigma": 1.0}

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        return rng.standard_normal(shape)


NORMAL = NormalLaw()
