"""What families of categories share, ordered or not: codes drawn from probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError
from mixedbayes.families.base import Family, Values


@dataclass(frozen=True)
class Categories(Family):
    """One of K categories in each row: codes 1, ..., K, which a design counts from 0."""

    discrete: ClassVar[bool] = True
    first_code: ClassVar[int] = 1
    no_limits: ClassVar[str] = (
        "its responses are categories, not amounts; those that were not told apart are one category"
    )

    def categories(self, design: Design) -> tuple[Any, ...]:
        """The categories, by the user's labels."""
        if design.response_levels is None:
            raise DataError("the design was not prepared by its family")
        return design.response_levels

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """Codes 0, 1, ..., K - 1."""
        u, codes, below = rng.uniform(size=np.shape(mu)), np.zeros(np.shape(mu)), 0.0
        for p in np.moveaxis(self.probabilities(mu, parameters)[..., :-1], -1, 0):
            below = below + p
            codes += u > below
        return codes

    def cdf(
        self,
        y: Floats | float,
        mu: Floats,
        parameters: Values,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """y are codes 0, 1, ..., K - 1."""
        p = self.probabilities(mu, parameters)
        below = np.concatenate([np.zeros((*p.shape[:-1], 1)), np.cumsum(p, axis=-1)], axis=-1)
        below[..., -1] = 1.0
        code = np.clip(np.floor(y), -1, p.shape[-1] - 1).astype(int) + 1
        code = np.broadcast_to(code, p.shape[:-1])
        return np.asarray(np.take_along_axis(below, code[..., None], axis=-1)[..., 0])
