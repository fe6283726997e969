"""What a covariance of effects is: the base of one class for each structure.

The k effects of one bar are b = diag(sd) W u at each level, with an sd for each effect, W lower
triangular, W W' their correlations, and u of the term's law. A structure says with which numbers z
W is made. Each z is on an interval, with a Beta distribution there; so every prior of correlations
is a product of such, and samplers, PyMC's graphs, draws from the prior and log densities all follow
from `parameters` and `rows`. A structure is one file and a line of the registry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy import stats

from mixedbayes import jit
from mixedbayes.distributions import Prior
from mixedbayes.errors import ModelError, PriorError
from mixedbayes.theta.logpriors import Coordinate, partial_correlation, scaled_beta

Floats = NDArray[np.float64]

# fill(work, z, W): W (k, k) from the numbers z, z + 1, ... in row 0 of work.
FILL = types.void(types.float64[:, ::1], types.int64, types.float64[:, ::1])
# slopes(work, z, W, dW): adds to row 2 of work the derivatives dW, in the coordinates of the z,
# whose dz/dt are in row 1.
SLOPES = types.void(
    types.float64[:, ::1], types.int64, types.float64[:, ::1], types.float64[:, ::1]
)


@dataclass(frozen=True)
class Scaled:
    """A number z with (z - lower) / (upper - lower) ~ Beta(a, b)."""

    a: float
    b: float
    lower: float = -1.0
    upper: float = 1.0
    of: tuple[int, ...] = ()  # the two effects whose (partial) correlation it is, if it is of two

    def coordinate(self) -> Coordinate:
        """Its coordinate, and prior, as compiled densities read them."""
        if (self.lower, self.upper, self.a) == (-1.0, 1.0, self.b):
            return partial_correlation(self.a)
        return scaled_beta(self.a, self.b, self.lower, self.upper)

    def distribution(self) -> Any:
        """The same as a SciPy distribution."""
        return stats.beta(self.a, self.b, loc=self.lower, scale=self.upper - self.lower)

    def of_unit(self, x: Any) -> Any:
        """z from x in (0, 1); arrays or graphs."""
        return self.lower + (self.upper - self.lower) * x

    def to_unit(self, z: Floats) -> Floats:
        """x in (0, 1) from z."""
        return (z - self.lower) / (self.upper - self.lower)


@dataclass(frozen=True)
class Covariance(ABC):
    """The correlations of the effects of one bar, `name(x | g)` in a formula; see the module."""

    name: ClassVar[str]
    correlated: ClassVar[bool] = True  # False: effects of one bar are independent of each other
    # Whether linear combinations of effects have the same structure: then columns may be left out
    # or replaced, as default priors at the columns' means do.
    closed: ClassVar[bool] = False
    # How "R" (lme4, brms) writes a bar, with {effects} and {group}, and "pymc" the root of a block,
    # with {variable}, {k} and {prior}.
    elsewhere: ClassVar[Mapping[str, str]] = {}
    latex: ClassVar[str] = r"\text{: correlations}"  # what is said of R in D R D
    # Python functions that `FILL` and `SLOPES` describe, for numba.
    fill: ClassVar[Any]
    slopes: ClassVar[Any]

    def blocks(self, places: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """The sets of effects that are correlated, of those of one bar."""
        return (tuple(places),) if self.correlated else tuple((k,) for k in places)

    @abstractmethod
    def default(self) -> tuple[Prior, str]:
        """The default prior of a block's correlations, and where it comes from."""

    @abstractmethod
    def refusal(self, prior: Prior) -> str:
        """Why this cannot be the prior of a block's correlations; empty where it can."""

    @abstractmethod
    def parameters(self, k: int, prior: Prior) -> tuple[Scaled, ...]:
        """The numbers z of k effects, under this prior."""

    @abstractmethod
    def rows(self, z: Sequence[Any], left: Sequence[Any], one: Any, k: int) -> list[list[Any]]:
        """Row i of W up to its diagonal, for i < k: of arrays or graphs of z and sqrt(1 - z^2)."""

    @abstractmethod
    def inverse(self, cor: Floats) -> Floats:
        """z (..., m) from correlations (..., k, k)."""

    @abstractmethod
    def margin(self, k: int, prior: Prior) -> Scaled:
        """Each single correlation of k effects under the prior."""

    # ---- what follows -------------------------------------------------------------------------

    def root(self, z: Floats, k: int, left: Floats | None = None) -> Floats:
        """W (..., k, k) from z (..., m); `left` is sqrt(1 - z^2), where known to more digits."""
        left = np.sqrt(1 - z**2) if left is None else left
        W = np.zeros((*z.shape[:-1], k, k))
        numbers, rests = (list(np.moveaxis(x, -1, 0)) for x in (z, left))
        for i, row in enumerate(self.rows(numbers, rests, 1.0, k)):
            for j, value in enumerate(row):
                W[..., i, j] = value
        return W

    def draw(self, k: int, prior: Prior, size: int, rng: np.random.Generator) -> Floats:
        """W (size, k, k) of draws from the prior."""
        numbers = self.parameters(k, prior)
        return self.root(np.stack([z.of_unit(rng.beta(z.a, z.b, size)) for z in numbers], -1), k)

    def log_density(self, cor: Floats, prior: Prior) -> Floats:
        """(...) log density of the prior at correlations (..., k, k)."""
        z = self.inverse(cor)
        found = np.zeros(z.shape[:-1])
        for m, number in enumerate(self.parameters(cor.shape[-1], prior)):
            found += number.distribution().logpdf(z[..., m])
        return found

    def check(self, prior: Prior, where: str) -> None:
        """PriorError where this cannot be the prior of a block's correlations."""
        if reason := self.refusal(prior):
            raise PriorError(f"{where}: {reason}, got {prior}")

    def written(self, package: str, **parts: Any) -> str:
        """As another package writes it; ModelError where it has none."""
        if package not in self.elsewhere:
            raise ModelError(
                f"there is no code for {package} of the covariance {self.name}(... | g): write "
                "(... | g), or (... || g) without correlations"
            )
        return self.elsewhere[package].format(**parts)

    @property
    def addresses(self) -> tuple[int, int]:
        """Of `fill` and `slopes`, compiled when first asked for."""
        return _address(self.fill, FILL), _address(self.slopes, SLOPES)


@cache
def _address(function: Any, signature: Any) -> int:
    return jit.address(jit.njit(signature, error_model="numpy", nogil=True)(function), signature)
