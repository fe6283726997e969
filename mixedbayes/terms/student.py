"""Heavy-tailed effects: `(x | gr(g, law="student"))`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.distributions import Gamma, Prior
from mixedbayes.terms.law import Floats, Law


@dataclass(frozen=True, eq=False)
class StudentLaw(Law):
    """u ~ Student's t with nu degrees of freedom, whose scale is 1: an sd is the effects' scale.

    The standard deviation of the effects is sd sqrt(nu / (nu - 2)), infinite where nu is at most 2.
    Effects of one level have each a t of their own, mixed by the root of their covariance. nu is
    estimated, with the prior Gamma(2, 0.1) of Juárez & Steel (2010), doi:10.1198/jbes.2009.07145,
    unless it is given, `nu=4`. As `dist="student"` in brms, but that there the effects of a level
    share one factor of scale.
    """

    name: ClassVar[str] = "student"
    title: ClassVar[str] = "Student-t"
    nu: Any = None  # a number, or arrays or graphs of it; None: it is estimated

    @property
    def estimated(self) -> tuple[str, ...]:
        return () if self.nu is not None else ("nu",)

    def default(self, number: str) -> tuple[Prior, str]:
        return Gamma(2.0, 0.1), "from heavy tails to nearly normal ones"

    @property
    def said(self) -> Mapping[str, float]:
        return {} if self.nu is None else {"nu": float(self.nu)}

    @property
    def latex(self) -> str:  # type: ignore[override]
        return r"t_{\nu}" if self.nu is None else rf"t_{{{self.nu:g}}}"

    @property
    def each_draw(self) -> StudentLaw:
        return self if np.ndim(self.nu) == 0 else StudentLaw(np.asarray(self.nu)[:, None])

    @property
    def variance(self) -> Any:
        nu = np.asarray(self.nu, float)
        with np.errstate(divide="ignore"):
            found = np.where(nu > 2, nu / np.maximum(nu - 2, 0.0), np.inf)
        return float(found) if found.ndim == 0 else found

    @property
    def pymc(self) -> tuple[str, dict[str, Any]]:
        return "StudentT", {"nu": self.nu, "mu": 0.0, "sigma": 1.0}

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
        z = rng.standard_normal(shape)
        with np.errstate(divide="ignore"):
            return z / np.sqrt(rng.chisquare(np.broadcast_to(self.nu, shape)) / self.nu)
