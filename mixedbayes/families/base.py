"""What a family is: the distribution of the response given the linear predictor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.links import Link
from mixedbayes.priors.distributions import Prior


@dataclass(frozen=True)
class Family:
    """The distribution of y given mu = g^-1(eta) and the family's own parameters.

    Subclasses are frozen dataclasses whose `link` field has a default.
    """

    name: ClassVar[str] = ""
    parameters: ClassVar[tuple[str, ...]] = ()  # besides mu: ("sigma",)
    link: Link

    def check(self, design: Design) -> None:
        """Raise DataError if the response is outside the family's support."""
        raise NotImplementedError

    def location(self, design: Design) -> float:
        """Centre of the response on the link scale, from which default priors are made."""
        raise NotImplementedError

    def scale(self, design: Design) -> float:
        """Spread of the response on the link scale, from which default priors are made."""
        raise NotImplementedError

    def parameter_prior(self, name: str, design: Design) -> tuple[Prior, str]:
        """Default prior of one of the family's parameters, and where its scale comes from."""
        raise NotImplementedError

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre and spread of a parameter's own predictor, on that parameter's link scale."""
        raise NotImplementedError

    def pymc(
        self, mu: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        """Name and arguments of the PyMC distribution of y, for mean mu (n,)."""
        raise NotImplementedError

    def simulate(
        self,
        mu: Floats,
        parameters: Mapping[str, Floats],
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """Responses (S, n) for means (S, n) and parameters (S,); weights and trials (n,)."""
        raise NotImplementedError

    def log_density(
        self,
        y: Floats,
        mu: Floats,
        parameters: Mapping[str, Floats],
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """(S, n) log p(y_i | mu, parameters) of y (n,), for means (S, n) and parameters (S,)."""
        raise NotImplementedError

    def residual_variance(self, parameters: Mapping[str, Floats]) -> Floats:
        """Observation-level variance on the link scale, per posterior draw: (S,)."""
        raise NotImplementedError
