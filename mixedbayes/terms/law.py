"""The law of the standardised effects u in b = L u: what is not their covariance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mixedbayes.distributions import Prior

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Law(ABC):
    """Independent u with mean 0, whose scale is the effects' sds; `gr(g, law="name")` in a formula.

    Engines that integrate or linearise effects take normal ones alone; PyMC's graph takes any. A
    law may have numbers, which are given, or estimated under a prior: `at` fills those in.
    """

    name: ClassVar[str]
    title: ClassVar[str] = "other"  # in sentences: "normal"
    normal: ClassVar[bool] = False
    latex: ClassVar[str]  # of the distribution: "\\mathcal{N}"

    @property
    def estimated(self) -> tuple[str, ...]:
        """Names of its numbers that are estimated: of positive ones."""
        return ()

    @property
    def said(self) -> Mapping[str, float]:
        """Its numbers that are given, by name."""
        return {}

    def default(self, number: str) -> tuple[Prior, str]:
        """The default prior of a number that is estimated, and where it comes from."""
        raise NotImplementedError(f"{type(self).__name__} has no {number}")

    def at(self, numbers: Mapping[str, Any]) -> Self:
        """The law with these numbers: given ones, or arrays or graphs of those estimated."""
        return replace(self, **numbers)

    @property
    def each_draw(self) -> Self:
        """The law for u (S, J) in S draws, from numbers that are (S,)."""
        return self

    @property
    @abstractmethod
    def variance(self) -> Any:
        """Of u; an array where a number is one."""

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
    title: ClassVar[str] = "normal"
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
