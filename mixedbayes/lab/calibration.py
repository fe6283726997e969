"""Simulation-based calibration: whether posteriors hold the truth as often as they say.

Talts et al. (2018), arXiv:1804.06788; Modrak et al. (2023), doi:10.1214/23-BA1404, for the log
likelihood among the quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.api.parallel import each
from mixedbayes.checks.log_likelihood import by_observation
from mixedbayes.checks.rows_of_several import by_row
from mixedbayes.design.types import Design, Floats
from mixedbayes.engines.base import Chosen
from mixedbayes.engines.choose import sample as draws_by
from mixedbayes.errors import ModelError
from mixedbayes.lab.uniformity import counts_below, holm, p_value, points
from mixedbayes.model.spec import Spec
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.predict.streams import named_stream
from mixedbayes.printable import escaped
from mixedbayes.results.icc import icc_kernel
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.several import each as responses
from mixedbayes.results.smooths import curves
from mixedbayes.results.text import as_table
from mixedbayes.results.variance import components
from mixedbayes.sample.health import health
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    from mixedbayes.plots.scene import Drawing

MOST = 99  # a rank is the number of 99 draws below the truth
CHAINS = 2
DRAWS = 500  # of each chain, at first
LONGEST = 8_000
INDEPENDENT = 2.0  # least effective draws of every quantity, per draw that is kept
LEVEL = 0.01  # of the tests of all quantities together

type Sampler = Callable[[Spec, Settings], SamplingResult]
type Observe = Callable[[Design, Floats], Design]


@dataclass(frozen=True)
class Simulation:
    """Ranks of the true values by quantity, and how the sampler fared."""

    number: int
    ranks: Mapping[str, int]
    divergences: int
    ess: float  # lowest bulk ESS over the quantities
    draws: int  # of all chains, before thinning


def as_drawn(design: Design, y: Floats) -> Design:
    """The design with these responses (n,), all of them known."""
    every = design.several
    if every is None:
        return replace(design, y=y)
    parts = tuple(replace(part, y=y[every.at(k)]) for k, part in enumerate(every.parts))
    return replace(design, y=y, several=replace(every, parts=parts))


def simulation(
    spec: Spec, sample: Sampler, number: int, seed: int, observe: Observe = as_drawn
) -> Simulation:
    """Parameters from the priors, a response, a fit, and the ranks of the truth.

    It depends on nothing but its arguments. As many draws are made as leave 99 that are nearly
    independent.
    """
    prior = prior_predictive(spec, 1, seed)
    y = next(iter(prior["prior_predictive"].data_vars.values())).to_numpy().ravel().astype(float)
    y = y - spec.family.first_code
    simulated = replace(spec, design=observe(spec.design, y))
    truth = quantities(_posterior(simulated, prior["prior"].to_dataset()))
    draws = DRAWS
    while True:
        settings = Settings(draws=draws, chains=CHAINS, cores=1, seed=seed, progress=False)
        result = sample(simulated, settings)
        values = quantities(_posterior(simulated, result.posterior))
        stacked = np.stack(list(values.values())).reshape(len(values), CHAINS, draws)
        ess = float(health(stacked)[0].min())
        if ess >= INDEPENDENT * MOST or draws >= LONGEST:
            break
        draws *= 2
    kept = np.linspace(0, CHAINS * draws - 1, MOST).round().astype(int)
    ranks = {name: int(np.sum(v[kept] < truth[name])) for name, v in values.items()}
    divergences = int(result.sample_stats["diverging"].sum())
    return Simulation(number, ranks, divergences, ess, CHAINS * draws)


def quantities(post: Posterior) -> dict[str, Floats]:
    """(S,) draws of all population-level quantities, of some group effects, and log p(y | all)."""
    if post.design.several is not None:
        return _of_several(post)
    mu = post.design.mu
    out = {names.INTERCEPT: post.intercept()} if mu.intercept else {}
    for name, values in post.parameters().items():
        numbers = values.reshape(len(values), -1).T  # of thresholds each
        out |= (
            {f"{name}[{k}]": v for k, v in enumerate(numbers, 1)}
            if values.ndim > 1
            else {name: values}
        )
    out |= {f"fixef[{t}]": v for t, v in zip(mu.terms, post.fixef().T, strict=True)}
    out |= _correlations(post)
    parts = components(post)
    icc = icc_kernel(parts)[0]  # adjusted; (K + 1, S)
    if parts.groups:
        out["icc"] = icc[-1]
    if len(parts.groups) > 1:
        out |= {f"icc[{g}]": v for g, v in zip(parts.groups, icc, strict=False)}
    for g in mu.groups:
        sd = g.told_sd(post.sd(g.name))
        out |= {f"sd_{g.name}[{t}]": v for t, v in zip(g.sd_terms, sd.T, strict=True)}
        if g.correlated:
            out[f"cor_{g.name}"] = post.cor(g.name)[:, 1, 0]
        for level in (0, g.n_levels // 2, g.n_levels - 1) if g.grouping else ():
            for j, t in enumerate(g.terms):
                out[f"ranef_{g.name}[{g.levels[level]}, {t}]"] = post.ranef(g.name)[:, level, j]
    for c in curves(post) if any(not g.grouping for g in mu.groups) else ():
        at = c.grid(3)
        out |= {f"{c.name}[{k}]": v for k, v in enumerate(c.draws(post, at).T)}
    out["log_lik"] = by_observation(post).sum(axis=1)
    return out


def _correlations(post: Posterior) -> dict[str, Floats]:
    """(S,) each correlation of residuals."""
    out: dict[str, Floats] = {}
    own = post.design.residual
    for symbol in () if own is None else own.symbols:
        found = post.stacked(symbol)
        places = np.argwhere(np.tri(found.shape[-1], k=-1)) if found.ndim > 1 else [()]
        out |= {f"{symbol}{[int(k) for k in at] or ''}": found[:, *at] for at in map(tuple, places)}
    return out


def _of_several(post: Posterior) -> dict[str, Floats]:
    """Those of each response by itself, and what correlates them."""
    out: dict[str, Floats] = {}
    for name, own in responses(post).items():
        found = quantities(own)
        out |= {f"{name} {key}": v for key, v in found.items() if key != "log_lik"}
    out |= _correlations(post)
    for g in post.design.mu.groups:
        for block in g.blocks if g.correlated and not g.cor_terms else ():
            for i, j in combinations(sorted(block), 2):
                out[f"cor_{g.name}[{g.terms[i]}, {g.terms[j]}]"] = post.cor(g.name)[:, i, j]
    out["log_lik"] = by_row(post).sum(axis=1)
    return out


def _posterior(spec: Spec, draws: xr.Dataset) -> Posterior:
    return Posterior(spec, xr.DataTree.from_dict({"posterior": draws}))


# ---- what comes of many of them ----------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """Whether the posteriors of simulated studies hold the truth as often as they say.

    Attributes
    ----------
    table
        A row for each quantity: quantity; p_value, of the ranks of the truth among the draws being
        uniform; adjusted, by Holm's method for all quantities together; bias, the mean rank of the
        truth as a share, minus 1/2: above 0 posteriors are too low; spread, the ranks' variance in
        proportion to that of uniform ones: above 1 posteriors are too narrow.
    ranks
        A column for each quantity and a row for each simulation: how many of 99 draws are below the
        truth.
    calibrated
        Whether no adjusted p-value is below 0.01.
    """

    ranks: pd.DataFrame
    divergences: int
    model: str

    @property
    def table(self) -> pd.DataFrame:
        """A row for each quantity; see the class for its columns."""
        p = {str(name): p_value(self._of(str(name)), MOST) for name in self.ranks}
        adjusted = holm(p)
        share = (self.ranks.to_numpy() + 0.5) / (MOST + 1)
        out = pd.DataFrame(
            {
                "quantity": list(p),
                "p_value": list(p.values()),
                "adjusted": [adjusted[name] for name in p],
                "bias": share.mean(axis=0) - 0.5,
                "spread": share.var(axis=0, ddof=1) * 12.0,
            }
        )
        found: pd.DataFrame = as_table(out)
        return found

    @property
    def calibrated(self) -> bool:
        """Whether no adjusted p-value is below 0.01."""
        return bool(self.table["adjusted"].min() >= LEVEL)

    @property
    def sentence(self) -> str:
        """What was found, to be quoted."""
        n, table = len(self.ranks), self.table
        begin = f"Over {n:,} data sets simulated from the priors, "
        ends = f"{self.divergences:,} divergences in all." if self.divergences else ""
        if self.calibrated:
            return (
                f"{begin}the ranks of the true values of {len(table)} quantities among their "
                f"posterior draws are uniform (smallest adjusted p {table['adjusted'].min():.2g}): "
                f"intervals hold the truth as often as they say. {ends}"
            ).rstrip()
        wrong = table[table["adjusted"] < LEVEL]
        said = ", ".join(f"{r.quantity} {_how(r.bias, r.spread, n)}" for r in wrong.itertuples())
        return (
            f"{begin}ranks are not uniform: {said} (smallest adjusted p "
            f"{table['adjusted'].min():.2g}). {ends}"
        ).rstrip()

    def plot(self, *, backend: str = "matplotlib") -> Drawing:
        """Of every quantity the ranks' distribution function minus the uniform one.

        The grey band holds all of it with a probability of 95 % where posteriors are right
        (Saeilynoja, Buerkner & Vehtari 2022, doi:10.1007/s11222-022-10090-6).

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
        calibrate : Of `Study`: the numbers.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> model = mb.Model("Yield ~ 1 + (1 | Batch)", mb.load_data("dyestuff"))
        >>> figure = mb.study(model).calibrate(20, seed=1).plot()
        """
        from mixedbayes.lab.uniformity import band
        from mixedbayes.plots.calibration import plot_ranks

        n, z = len(self.ranks), points(MOST)
        low, high = band(n, MOST, 0.05)
        found = {str(k): counts_below(self._of(str(k)), MOST) / n - z for k in self.ranks}
        return plot_ranks(z, found, low / n - z, high / n - z, self.sentence, backend=backend)

    def _of(self, quantity: str) -> Any:
        return np.asarray(self.ranks[quantity].to_numpy(), np.int64)

    def __repr__(self) -> str:
        return f"{self.sentence}\n\n{self.table!r}"

    def _repr_html_(self) -> str:
        return f"<p>{escaped(self.sentence)}</p>{self.table._repr_html_()}"


def _how(bias: float, spread: float, n: int) -> str:
    """In which way posteriors are wrong, as far as mean and variance of the ranks tell."""
    if abs(bias) > 2 * np.sqrt(1 / (12 * n)):
        return "(too low)" if bias > 0 else "(too high)"
    if abs(spread - 1) > 2 * np.sqrt(0.8 / n):
        return "(too narrow)" if spread > 1 else "(too wide)"
    return "(of another shape)"


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The simulation with a number, of one model; it travels to other processes."""

    spec: Spec
    chosen: Chosen
    seed: int

    def __call__(self, number: int) -> Simulation:
        own = int(named_stream(self.seed, f"calibration {number}").integers(2**31))
        return simulation(self.spec, self._sample, number, own)

    def _sample(self, spec: Spec, settings: Settings) -> SamplingResult:
        return draws_by(spec, replace(settings, effects="draws"), self.chosen)[0]


def calibrate(
    one: Calibrated, numbers: Sequence[int], *, workers: int | None, progress: bool
) -> Calibration:
    """All simulations of a model."""
    if len(numbers) < 20:
        raise ModelError(
            f"{len(numbers)} simulations do not tell whether ranks are uniform: take 100 or more"
        )
    every = list(each(one, numbers, workers=workers, title="Calibration", progress=progress))
    ranks = pd.DataFrame([dict(s.ranks) for s in every])
    model = one.spec.design.formula.text
    return Calibration(ranks, sum(s.divergences for s in every), model)
