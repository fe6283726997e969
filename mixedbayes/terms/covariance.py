"""What a covariance of effects is: the base of one class for each structure.

The k effects of one bar are b = diag(sd) W u at each level, with an sd for each effect or one for
all, W lower triangular, W W' their correlations, and u of the term's law. A structure says with
which numbers z W is made. Each z is on an interval, with a Beta distribution there, or positive,
with any prior; so every prior of correlations is a product of such, and samplers, PyMC's graphs,
draws from the prior and log densities all follow from `parameters` and `rows`. A structure is one
file and a line of the registry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numba import types
from numpy.typing import NDArray

from mixedbayes import jit
from mixedbayes.distributions import LKJ, Prior, Uniform
from mixedbayes.errors import ModelError, PriorError
from mixedbayes.numerics import univariate
from mixedbayes.theta import logpriors
from mixedbayes.theta.logpriors import Coordinate, partial_correlation, scaled_beta

Floats = NDArray[np.float64]
Axis = Literal["", "order", "steps", "times"]

# fill(work, z, at, W): W (k, k) from the numbers z, z + 1, ... in row 0 of work, of effects at the
# positions `at` (k,).
FILL = types.void(types.float64[:, ::1], types.int64, types.float64[::1], types.float64[:, ::1])
# slopes(work, z, at, W, dW): adds to row 2 of work the derivatives dW, in the coordinates of the z,
# whose dz/dt are in row 1.
SLOPES = types.void(
    types.float64[:, ::1],
    types.int64,
    types.float64[::1],
    types.float64[:, ::1],
    types.float64[:, ::1],
)


@dataclass(frozen=True)
class Scaled:
    """A number z with (z - lower) / (upper - lower) ~ Beta(a, b)."""

    a: float
    b: float
    lower: float = -1.0
    upper: float = 1.0
    of: tuple[int, ...] = ()  # the two effects whose (partial) correlation it is, if it is of two
    prior: ClassVar[Prior | None] = None  # that of z itself, where it is no Beta

    def coordinate(self) -> Coordinate:
        """Its coordinate, and prior, as compiled densities read them."""
        if (self.lower, self.upper, self.a) == (-1.0, 1.0, self.b):
            return partial_correlation(self.a)
        return scaled_beta(self.a, self.b, self.lower, self.upper)

    def distribution(self) -> Any:
        """The same as a SciPy distribution."""
        return univariate.Beta(self.lower, self.upper - self.lower, (self.a, self.b))

    def of_unit(self, x: Any) -> Any:
        """z from x in (0, 1), which PyMC's graph has as a variable; arrays or graphs."""
        return self.lower + (self.upper - self.lower) * x

    def to_unit(self, z: Floats) -> Floats:
        """x in (0, 1) from z."""
        return (z - self.lower) / (self.upper - self.lower)

    def unit_log_density(self, x: Floats) -> Floats:
        """(...) log density of x (...)."""
        return np.asarray(univariate.Beta(0.0, 1.0, (self.a, self.b)).logpdf(x))

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        """(size,) draws of z."""
        return self.of_unit(rng.beta(self.a, self.b, size))


@dataclass(frozen=True)
class Positive:
    """A number z above 0 with a prior of its own; PyMC's graph has z itself as a variable."""

    prior: Prior
    of: tuple[int, ...] = ()

    def coordinate(self) -> Coordinate:
        return logpriors.coordinate(self.prior, positive=True)

    def distribution(self) -> Any:
        return self.prior.frozen()

    def of_unit(self, x: Any) -> Any:
        return x

    def to_unit(self, z: Floats) -> Floats:
        return z

    def unit_log_density(self, x: Floats) -> Floats:
        return np.asarray(self.prior.logpdf(x), float)

    def draw(self, size: int, rng: np.random.Generator) -> Floats:
        return np.asarray(self.prior.frozen().rvs(size=size, random_state=rng))


type Number = Scaled | Positive


@dataclass(frozen=True)
class Written:
    """How another package writes residuals of this structure.

    term
        With {time} and {group}.
    numbers
        What it calls those of `Covariance.symbols`, in the code of priors.
    sd
        By what its sigma is multiplied to be the residual sd; "" where it is the sd.
    lower
        Of its numbers; the upper bound is 1.
    consecutive
        Whether it takes rows of a group for consecutive visits, whatever their times.
    """

    term: str
    numbers: tuple[str, ...] = ()
    sd: str = ""
    lower: float = -1.0
    consecutive: bool = False


@dataclass(frozen=True)
class Covariance(ABC):
    """The correlations of the effects of one bar, `name(x | g)` in a formula; see the module.

    Effects that are the levels of one variable have positions `at` (k,), in ascending order, and
    the variable's name, `of`; see `axis`.
    """

    name: ClassVar[str]
    correlated: ClassVar[bool] = True  # False: effects of one bar are independent of each other
    one_sd: ClassVar[bool] = False  # whether all effects of one bar have the same sd
    # Whether linear combinations of effects have the same structure: then columns may be left out
    # or replaced, as default priors at the columns' means do.
    closed: ClassVar[bool] = False
    # Whether effects that have one row each can be told from a residual.
    apart: ClassVar[bool] = False
    # What effects have to be. "": anything. Otherwise the levels of one variable: in their "order",
    # one step from each to the next; some whole "steps" apart, as whole numbers say, or in their
    # order; or at "times", numbers.
    axis: ClassVar[Axis] = ""
    # Whether effects at other positions follow from those that are known; see `beyond`.
    extends: ClassVar[bool] = False
    # How "lme4", "glmmTMB" and "brms" write a bar, with {effects} and {group}, and "pymc" the root
    # of a block, with {variable}, {k} and {prior}. Their positions are one step apart.
    elsewhere: ClassVar[Mapping[str, str]] = {}
    nearest: ClassVar[Mapping[str, str]] = {}  # by package that has none: what it has, with {of}
    latex: ClassVar[str] = r"\text{: correlations}"  # what is said of R in D R D
    about: ClassVar[str] = "correlations"  # what their prior is of
    kind: ClassVar[str] = "cor"  # what `labels` are, in tables
    said: ClassVar[str] = "correlations"  # in a methods section
    exchangeable: ClassVar[bool] = False  # whether effects, or rows of one group, have no order
    residuals_elsewhere: ClassVar[Mapping[str, Written]] = {}  # by package
    # As correlations of residuals: names of their parameters in draws, and the dimension of these
    # where there are several of one name.
    symbols: ClassVar[tuple[str, ...]] = ("rho",)
    dimension: ClassVar[str] = ""
    # Whether each effect depends on the one before it alone, by a correlation that follows from
    # their distance, see `between`.
    chain: ClassVar[bool] = False
    equal: ClassVar[bool] = False  # whether all correlations are one number, z
    # Python functions that `FILL` and `SLOPES` describe, for numba.
    fill: ClassVar[Any]
    slopes: ClassVar[Any]
    at: tuple[float, ...] = ()
    of: str = ""

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
    def parameters(self, k: int, prior: Prior) -> tuple[Number, ...]:
        """The numbers z of k effects, under this prior."""

    @abstractmethod
    def rows(self, z: Sequence[Any], left: Sequence[Any], one: Any, k: int) -> list[list[Any]]:
        """Row i of W up to its diagonal, for i < k: of arrays or graphs of z and sqrt(1 - z^2)."""

    @abstractmethod
    def inverse(self, cor: Floats) -> Floats:
        """z (..., m) from correlations (..., k, k)."""

    @abstractmethod
    def margin(self, k: int, prior: Prior) -> Number:
        """Each single correlation of k effects under the prior; or the first of `labels`."""

    # ---- numbers that tables and files have in the place of all correlations -------------------

    def labels(self, k: int) -> tuple[str, ...]:
        """What each of them is: "lag 1"; none where all k (k - 1) / 2 correlations are told."""
        return ()

    def numbers(self, cor: Floats) -> Floats:
        """(..., m) from correlations (..., k, k): the z unless a structure says otherwise."""
        return self.inverse(cor)

    def numbers_of(self, z: Floats, k: int) -> Floats:
        """(..., m) from the z (..., m) of k effects."""
        return z

    def from_numbers(self, numbers: Floats, k: int) -> Floats:
        """The z (..., m) of k effects, from these numbers (..., m)."""
        return numbers

    def between(self, z: Sequence[Any], distances: Floats) -> Any:
        """Correlations of effects whose positions are so far apart, of a chain with the numbers z;
        arrays or graphs.
        """
        raise NotImplementedError

    def told(self, z: Sequence[Any], rows: Sequence[Sequence[Any]]) -> list[Any]:
        """The same from z and the rows of W; arrays or graphs."""
        return list(z)

    def matrix(self, numbers: Floats, k: int) -> Floats:
        """(..., k, k) correlations from these numbers (..., m)."""
        W = self.root(numbers, k)
        return W @ np.swapaxes(W, -1, -2)

    def among(self, numbers: Floats, places: Any, k: int) -> Floats:
        """(..., m, m) of `matrix` of k effects, those at these places (m,)."""
        return self.matrix(numbers, k)[..., places[:, None], places]

    def graph(self, z: Sequence[Any], k: int, xp: Any) -> Any:
        """(k, k) correlations as a graph of the numbers z; `xp` is pytensor's tensor module."""
        rows = self.rows(z, [xp.sqrt(1 - own**2) for own in z], xp.constant(1.0), k)
        zero = xp.constant(0.0)
        W = xp.stack([xp.stack([*row, *[zero] * (k - len(row))]) for row in rows])
        return W @ W.T

    def margins(self, k: int, prior: Prior) -> tuple[Any, ...]:
        """The prior of each as a SciPy distribution."""
        return tuple(z.distribution() for z in self.parameters(k, prior))

    # ---- what follows -------------------------------------------------------------------------

    def placed(self, at: Sequence[float], of: str) -> Self:
        """The structure of effects at these positions, the levels of the variable `of`."""
        return replace(self, at=tuple(at), of=of)

    def positions(self, k: int) -> Floats:
        """(k,) where the effects are: 0, 1, ... unless they were placed."""
        return np.array(self.at, float) if len(self.at) == k else np.arange(float(k))

    def beyond(self, at: Sequence[float]) -> str:
        """Why there are no effects at these other positions; empty where there are."""
        return "" if self.extends else f"{self.name} says nothing of other levels"

    def step(self, k: int) -> float:
        """The greatest number of which all distances of whole positions are multiples."""
        at = Covariance.positions(self, k)
        return float(max(np.gcd.reduce(np.diff(at).astype(int)), 1))

    def root(self, z: Floats, k: int, left: Floats | None = None) -> Floats:
        """W (..., k, k) from z (..., m); `left` is sqrt(1 - z^2), where known to more digits."""
        if left is None:
            left = np.sqrt(np.maximum(1 - z**2, 0.0))
        W = np.zeros((*z.shape[:-1], k, k))
        numbers, rests = (list(np.moveaxis(x, -1, 0)) for x in (z, left))
        for i, row in enumerate(self.rows(numbers, rests, 1.0, k)):
            for j, value in enumerate(row):
                W[..., i, j] = value
        return W

    def draw(self, k: int, prior: Prior, size: int, rng: np.random.Generator) -> Floats:
        """W (size, k, k) of draws from the prior."""
        numbers = self.parameters(k, prior)
        return self.root(np.stack([z.draw(size, rng) for z in numbers], -1), k)

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
            other = ", which code('glmmTMB') has" if "glmmTMB" in self.elsewhere else ""
            near = self.nearest.get(package, "")
            raise ModelError(
                f"there is no code for {package} of the covariance {self.name}(... | g){other}: "
                "write (... | g), or (... || g) without correlations"
                + (f"; nearest to it is {near}".format(of=self.of or "x") if near else "")
            )
        return self.elsewhere[package].format(**parts)

    @property
    def addresses(self) -> tuple[int, int]:
        """Of `fill` and `slopes`, compiled when first asked for."""
        return _address(self.fill, FILL), _address(self.slopes, SLOPES)


@cache
def _address(function: Any, signature: Any) -> int:
    return jit.address(jit.njit(signature, error_model="numpy", nogil=True)(function), signature)


def sd_places(blocks: Sequence[Sequence[int]], covariance: Covariance) -> tuple[int, ...]:
    """(q,) which standard deviation each effect has, by number, for effects in these blocks."""
    of = {i: k for k, block in enumerate(blocks) for i in block}
    found: dict[object, int] = {}
    return tuple(
        found.setdefault(("block", of[i]) if covariance.one_sd else i, len(found))
        for i in range(len(of))
    )


# ---- the prior of one correlation between bounds -------------------------------------------------


def bounded(prior: Prior, lower: float = -1.0) -> Scaled:
    """A correlation from `lower` to 1: LKJ(eta) is Beta(eta, eta) over that, or Uniform."""
    if isinstance(prior, Uniform):
        return Scaled(1.0, 1.0, prior.lower, prior.upper)
    assert isinstance(prior, LKJ)
    return Scaled(prior.eta, prior.eta, lower)


def bounded_refusal(prior: Prior, lower: float = -1.0) -> str:
    """Why this cannot be the prior of a correlation from `lower` to 1; empty where it can."""
    if isinstance(prior, LKJ):
        return ""
    if isinstance(prior, Uniform):
        inside = prior.lower >= lower and prior.upper <= 1
        return "" if inside else f"the correlation is between {lower:.3g} and 1"
    return "the prior of a correlation is LKJ(eta), or Uniform(lower, upper)"
