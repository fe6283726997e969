"""The smallest design that has the power asked for, by a sequential search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtri

from mixedbayes.design.types import Floats
from mixedbayes.lab.power import columns
from mixedbayes.lab.run import proportion
from mixedbayes.printable import escaped
from mixedbayes.results.text import as_table

if TYPE_CHECKING:
    from mixedbayes.plots.scene import Drawing

_FIRST = 4  # sizes that are tried first, from one end to the other
_BATCH = 25  # studies of a size at once
_POINTS = 200  # of the curve in a picture
_PRIOR_SD = 10.0  # of both coefficients of the curve, for sizes scaled to [0, 1]


@dataclass(frozen=True, eq=False, repr=False)
class Smallest:
    """The smallest number whose power is what was asked for.

    Attributes
    ----------
    n
        The number; None where even the largest that was allowed is not enough.
    lower, upper
        95 % interval of the number that the simulations leave.
    table
        A row for each number that was tried: the number, simulations, power, and lower and upper,
        its 95 % interval; fitted is the curve's power there.
    curve
        What was fitted: ``curve.power(n)``.
    """

    n: int | None
    lower: float
    upper: float
    varies: str
    power: float
    asked: str
    table: pd.DataFrame
    curve: Curve

    def plot(self, *, backend: str = "matplotlib") -> Drawing:
        """The powers that were found, and the curve through them.

        Parameters
        ----------
        backend
            "matplotlib", "plotly" or "bokeh".

        Returns
        -------
        Matplotlib or Plotly figure, or Bokeh layout.

        Raises
        ------
        ModelError
            The backend is unknown.

        See Also
        --------
        smallest : Of `Study`: the numbers.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> lab = mb.study(
        ...     "y ~ arm + (1 | g)", groups={"g": 20}, rows=5, effects={"arm": 2.0}, sd={"g": 0.5},
        ...     covariates={"arm": {"g": [0, 1]}},
        ... )
        >>> lab.data({"g": 24}, seed=1).shape
        (120, 3)
        >>> found = lab.smallest("arm > 0", {"g": (4, 24)}, seed=1)  # doctest: +SKIP
        >>> figure = found.plot()  # doctest: +SKIP
        """
        from mixedbayes.plots.power import plot_power

        tried = self.table[self.varies].to_numpy(float)
        x = np.linspace(tried.min(), tried.max(), _POINTS)
        return plot_power(
            self.table, (self.varies,), self.asked, target=self.power,
            through=(x, self.curve.power(x)), backend=backend,
        )  # fmt: skip

    def _said(self) -> str:
        if self.n is None:
            most = self.table[self.varies].max()
            return (
                f"{self.asked}: even {self.varies} = {most} has less power than {self.power:g}; "
                "allow more"
            )
        if self.n == self.curve.low and self.curve.power(np.array(float(self.n))) > self.power:
            return (
                f"{self.asked}: the least number that was allowed, {self.varies} = {self.n}, has "
                f"more power than {self.power:g}"
            )
        known = f"95 % interval {self.lower:.0f} to {self.upper:.0f}"
        if not np.isfinite(self.upper):
            known = "power hardly rises with it, or the studies are too few to tell"
        return f"{self.asked}: power {self.power:g} from {self.varies} = {self.n} on ({known})"

    def __repr__(self) -> str:
        return f"{self._said()}\n\n{self.table!r}"

    def _repr_html_(self) -> str:
        return f"<p>{escaped(self._said())}</p>{self.table._repr_html_()}"


@dataclass(frozen=True, eq=False)
class Curve:
    """Probit of the power, linear in the square root of the number, as that of a z test is."""

    low: int
    high: int
    coefficients: Floats  # (2,)
    covariance: Floats  # (2, 2)

    @classmethod
    def through(cls, low: int, high: int, n: Floats, hits: Floats, of: Floats) -> Curve:
        x = _scaled(low, high, n)
        X = np.column_stack([np.ones_like(x), x])

        def loss(b: Floats) -> tuple[float, Floats]:
            """Minus log posterior and its gradient."""
            eta = X @ b
            above, below = log_ndtr(eta), log_ndtr(-eta)
            density = -0.5 * (eta**2 + np.log(2 * np.pi))
            slope = hits * np.exp(density - above) - (of - hits) * np.exp(density - below)
            fit = hits @ above + (of - hits) @ below
            return float(0.5 * (b @ b) / _PRIOR_SD**2 - fit), b / _PRIOR_SD**2 - X.T @ slope

        b = minimize(loss, np.zeros(2), jac=True, method="BFGS").x
        eta = X @ b
        # Expected information of a probit regression.
        density = np.exp(-(eta**2) - np.log(2 * np.pi) - log_ndtr(eta) - log_ndtr(-eta))
        information = (X * (of * density)[:, None]).T @ X + np.eye(2) / _PRIOR_SD**2
        return cls(low, high, b, np.linalg.inv(information))

    def power(self, n: Floats) -> Floats:
        x = _scaled(self.low, self.high, n)
        return np.exp(log_ndtr(self.coefficients[0] + self.coefficients[1] * x))

    def needed(self, power: float) -> tuple[float, float, float]:
        """The number with this power, and its 95 % interval (delta method); may be infinite.

        Of a curve that does not rise it is the least that was allowed, or there is none.
        """
        a, b = self.coefficients
        if b <= 0:
            enough = float(self.power(np.array(float(self.high)))) >= power
            return float(self.low) if enough else np.inf, float(self.low), np.inf
        x = (ndtri(power) - a) / b
        if b < 1.96 * np.sqrt(self.covariance[1, 1]):  # it may not rise at all
            return _unscaled(self.low, self.high, x), float(self.low), np.inf
        slope = np.array([-1 / b, -x / b])
        half = 1.96 * np.sqrt(slope @ self.covariance @ slope)
        mid, lower, upper = (_unscaled(self.low, self.high, v) for v in (x, x - half, x + half))
        return mid, lower, upper


def _scaled(low: int, high: int, n: Floats) -> Floats:
    return (np.sqrt(n) - np.sqrt(low)) / (np.sqrt(high) - np.sqrt(low))


def _unscaled(low: int, high: int, x: float) -> float:
    root = np.sqrt(low) + x * (np.sqrt(high) - np.sqrt(low))
    return float(max(root, 0.0) ** 2)


def smallest(
    shown: Callable[[int, Sequence[int]], Sequence[bool | None]],
    bounds: tuple[int, int],
    *,
    power: float,
    simulations: int,
    tolerance: float,
    varies: str,
    asked: str,
    note: str,
) -> Smallest:
    """Simulate where the curve is in doubt until the number is known.

    Parameters
    ----------
    shown
        Whether each of some studies, by their numbers, of a design shows what is asked; None
        where it could not be fitted.
    bounds
        Least and largest number that is thought of.
    power
        That is wanted.
    simulations
        Studies in all, at most.
    tolerance
        Half the width of the interval, as a share of the number, at which the search ends.
    """
    low, high = bounds
    tried: dict[int, list[bool | None]] = {}

    def more(n: int) -> None:
        own = tried.setdefault(n, [])
        own.extend(shown(n, range(len(own), len(own) + _BATCH)))

    for x in np.linspace(0, 1, _FIRST):
        more(round(_unscaled(low, high, x)))
    while True:
        n, hits, of = _counts(tried)
        curve = Curve.through(low, high, n, hits, of)
        mid, lower, upper = curve.needed(power)
        narrow = np.isfinite(upper) and (upper - lower) / 2 <= max(tolerance * mid, 0.5)
        if narrow or sum(map(len, tried.values())) + _BATCH > simulations:
            break
        # The number is known best from a little on either side of it.
        width = np.clip((upper - lower) / 2, 1, (high - low) / 4) if np.isfinite(upper) else 0
        side = -1 if len(tried) % 2 else 1
        more(int(np.clip(round(min(mid, high) + side * width / 2), low, high)))
    (varies,) = columns([varies]).values()
    table = pd.DataFrame({varies: n.astype(int), "simulations": of.astype(int), "power": hits / of})
    edges = [proportion(int(h), int(m)) for h, m in zip(hits, of, strict=True)]
    table = table.assign(
        lower=[e[0] for e in edges], upper=[e[1] for e in edges], fitted=curve.power(n)
    )
    table.attrs["note"] = note
    enough = np.isfinite(mid) and mid <= high
    return Smallest(
        int(np.clip(np.ceil(mid - 1e-9), low, high)) if enough else None,
        max(lower, 1.0), upper, varies, power, asked, as_table(table), curve,
    )  # fmt: skip


def _counts(tried: dict[int, list[bool | None]]) -> tuple[Floats, Floats, Floats]:
    """The numbers tried in order, the studies that show it, and those that could be fitted."""
    kept = {n: [s for s in tried[n] if s is not None] for n in sorted(tried)}
    n = np.array(list(kept), float)
    return (
        n,
        np.array([sum(s) for s in kept.values()], float),
        np.array([*map(len, kept.values())], float),
    )
