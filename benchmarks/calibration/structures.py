"""The models that are calibrated: small designs of every structure, with fixed proper priors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import mixedbayes as mb
from mixedbayes.model.spec import Spec

PRIORS: Mapping[str, Any] = {
    "Intercept": mb.Normal(1, 2),
    "fixef": mb.Normal(0, 1),
    "sd": mb.HalfNormal(1),
    "sigma": mb.Gamma(4, 4),
}


@dataclass(frozen=True)
class Structure:
    """One model. The data's response is a placeholder: it is drawn from the model.

    end: the column beyond which responses are censored; none where empty.
    settings: what else `mb.Model` is told, such as `known`.
    """

    formula: str | tuple[str, ...]  # of the mean, and of further parameters
    data: Callable[[], pd.DataFrame]
    priors: Mapping[str, Any] = field(default_factory=lambda: PRIORS)
    family: str = "gaussian"
    end: str = ""
    settings: Callable[[], Mapping[str, Any]] = dict

    @property
    def said(self) -> str:
        """The model in words of a formula, with the structure of its residuals."""
        residual = self.settings().get("residual")
        every = self.formula if isinstance(self.formula, str) else ", ".join(self.formula)
        return every if residual is None else f'{every}, residual="{residual}"'


@cache
def end_of(name: str) -> np.ndarray | None:
    """(n,) where the responses of a structure are censored; None where they are not."""
    structure = ALL[name]
    return structure.data()[structure.end].to_numpy(float) if structure.end else None


@cache
def spec_of(name: str) -> Spec:
    """Design and priors of a structure."""
    structure = ALL[name]
    return mb.Model(
        structure.formula if isinstance(structure.formula, str) else list(structure.formula),
        structure.data(),
        family=structure.family,
        priors=structure.priors,
        **structure.settings(),
    ).spec


def _with_covariate(groups: dict[str, Any]) -> pd.DataFrame:
    """A placeholder response and x, whose mean is not zero."""
    data = pd.DataFrame(groups)
    rng = np.random.default_rng(len(data))
    return data.assign(x=rng.normal(0.5, 1, len(data)).round(2), y=rng.normal(size=len(data)))


def _one_factor(levels: int, rows: int) -> pd.DataFrame:
    return _with_covariate({"g": np.repeat(np.arange(levels), rows)})


def _unbalanced() -> pd.DataFrame:
    """12 groups of 2 to 8 rows."""
    sizes = [2, 3, 3, 4, 5, 5, 6, 6, 7, 7, 8, 8]
    return _with_covariate({"g": np.repeat(np.arange(12), sizes)})


def _nested(rows: int = 3) -> pd.DataFrame:
    """8 outer levels, 2 to 4 inner ones in each, with so many rows each."""
    many = np.tile([2, 3, 4, 3], 2)
    outer = np.repeat(np.arange(8), rows * many)
    inner = np.concatenate([np.repeat(np.arange(k), rows) for k in many])
    return _with_covariate({"a": outer, "b": inner})


def _crossed() -> pd.DataFrame:
    """10 x 7 levels, every third combination missing, some twice."""
    a, b = (v.ravel() for v in np.meshgrid(np.arange(10), np.arange(7), indexing="ij"))
    times = np.array([1, 2, 0])[(a + b) % 3]
    return _with_covariate({"a": np.repeat(a, times), "b": np.repeat(b, times)})


def _crossed_many() -> pd.DataFrame:
    """40 x 30 levels, 240 of the combinations."""
    rng = np.random.default_rng(1)
    a, b = np.repeat(np.arange(40), 6), np.tile(np.arange(30), 8)
    return _with_covariate({"a": a, "b": rng.permutation(b)})


STRUCTURES: Mapping[str, Structure] = {
    "intercept": Structure("y ~ x + (1 | g)", lambda: _one_factor(10, 5)),
    "slopes": Structure("y ~ x + (x | g)", _unbalanced, {**PRIORS, "cor": mb.LKJ(1.5)}),
    "nested": Structure("y ~ x + (1 | a/b)", _nested),
    "crossed": Structure("y ~ x + (1 | a) + (1 | b)", _crossed),
    # enough levels for the surrogate of the gradient, and for turns instead of straight steps
    "intercept_many": Structure("y ~ x + (1 | g)", lambda: _one_factor(120, 4)),
    "crossed_many": Structure("y ~ x + (1 | a) + (1 | b)", _crossed_many),
    # the population effects stay in NUTS, because their prior is not normal
    "crossed_t": Structure(
        "y ~ x + (x || a) + (1 | b)",
        _crossed,
        {**PRIORS, "Intercept": mb.StudentT(4, 1, 2), "fixef": mb.StudentT(4, 0, 1)},
    ),
}


def _yes_or_no(levels: int, rows: int) -> pd.DataFrame:
    """A placeholder response of 0 and 1, which counts and outcomes may be."""
    return _one_factor(levels, rows).assign(y=lambda d: np.arange(len(d)) % 2)


def _waiting(levels: int, rows: int) -> pd.DataFrame:
    """Waiting times that are watched until `end`, about half of them too short."""
    data = _one_factor(levels, rows)
    end = np.random.default_rng(2).uniform(0.5, 6.0, len(data)).round(2)
    return data.assign(y=end, end=end, c=np.arange(len(data)) % 2)


def _shares(levels: int, rows: int) -> pd.DataFrame:
    """Successes among 3 to 9 trials."""
    return _yes_or_no(levels, rows).assign(n=lambda d: 3 + np.arange(len(d)) % 7)


def _ordered(levels: int, rows: int) -> pd.DataFrame:
    """Ratings from 1 to 5."""
    return _one_factor(levels, rows).assign(y=lambda d: 1 + np.arange(len(d)) % 5)


_CUTS = {"thresholds": mb.Normal(0, 1.5), "fixef": mb.Normal(0, 0.5), "sd": mb.HalfNormal(1)}
_COUNTS = {"Intercept": mb.Normal(0.5, 1), "fixef": mb.Normal(0, 0.5), "sd": mb.HalfNormal(1)}
_OWN = {
    "Intercept": mb.Normal(1, 0.5),
    "fixef": mb.Normal(0, 0.3),
    "sd": mb.HalfNormal(0.5),
}
GENERALISED: Mapping[str, Structure] = {
    "poisson": Structure("y ~ x + (1 | g)", lambda: _yes_or_no(12, 4), _COUNTS, "poisson"),
    "bernoulli": Structure("y ~ x + (1 | g)", lambda: _yes_or_no(12, 8), _COUNTS, "bernoulli"),
    "poisson_slopes": Structure(
        "y ~ x + (x | g)", lambda: _yes_or_no(20, 5), {**_COUNTS, "cor": mb.LKJ(1.5)}, "poisson"
    ),
    "bernoulli_slopes": Structure(
        "y ~ x + (x | g)", lambda: _yes_or_no(30, 6), {**_COUNTS, "cor": mb.LKJ(1.5)}, "bernoulli"
    ),
    # enough levels for the surrogate of the density with effects integrated out
    "poisson_many": Structure("y ~ x + (1 | g)", lambda: _yes_or_no(60, 4), _COUNTS, "poisson"),
    "bernoulli_many": Structure("y ~ x + (1 | g)", lambda: _yes_or_no(60, 5), _COUNTS, "bernoulli"),
    "cumulative_many": Structure("y ~ x + (1 | g)", lambda: _ordered(60, 5), _CUTS, "cumulative"),
    "sratio_slopes": Structure(
        "y ~ x + (x | g)", lambda: _ordered(40, 6), {**_CUTS, "cor": mb.LKJ(1.5)}, "sratio"
    ),
    "zero_inflated_poisson": Structure(
        "y ~ x + (1 | g)",
        lambda: _yes_or_no(12, 6),
        {**_COUNTS, "zi": mb.Uniform(0, 1)},
        "zero_inflated_poisson",
    ),
    "beta_binomial": Structure(
        "y | trials(n) ~ x + (1 | g)",
        lambda: _shares(12, 6),
        {**_COUNTS, "phi": mb.Gamma(2, 0.3)},
        "beta_binomial",
    ),
    "poisson_nested": Structure(
        "y ~ x + (1 | a/b)",
        lambda: _nested().assign(y=lambda d: np.arange(len(d)) % 2),
        _COUNTS,
        "poisson",
    ),
    "bernoulli_nested": Structure(
        "y ~ x + (1 | a/b)",
        lambda: _nested(6).assign(y=lambda d: np.arange(len(d)) % 2),
        _COUNTS,
        "bernoulli",
    ),
    # effects of a level on two parameters are one vector
    "negative_binomial_shape": Structure(
        ("y ~ x + (1 | p | g)", "shape ~ x + (1 | p | g)"),
        lambda: _yes_or_no(30, 8),
        {**_COUNTS, "cor": mb.LKJ(1.5), "shape": _OWN},
        "negative_binomial",
    ),
    "zero_inflated_share": Structure(
        ("y ~ x + (1 | g)", "zi ~ x"),
        lambda: _yes_or_no(30, 6),
        {**_COUNTS, "zi": {"Intercept": mb.Normal(-1, 1), "fixef": mb.Normal(0, 0.5)}},
        "zero_inflated_poisson",
    ),
    "student_t": Structure(
        "y ~ x + (1 | g)",
        lambda: _one_factor(30, 5),
        {**PRIORS, "nu": mb.Gamma(2, 0.1)},
        "student_t",
    ),
    "weibull_censored": Structure(
        "y | cens(c) ~ x + (1 | g)",
        lambda: _waiting(12, 6),
        {**_COUNTS, "shape": mb.Gamma(4, 2.5)},
        "weibull",
        end="end",
    ),
}


def _curve() -> pd.DataFrame:
    """12 groups of 5 rows, at times that are nobody's."""
    data = _one_factor(12, 5)
    return data.assign(t=np.random.default_rng(3).uniform(0, 10, len(data)).round(2))


def _members() -> pd.DataFrame:
    """60 rows in one or two of 12 levels, for shares of 1."""
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 12, (2, 60))
    share = np.where(a == b, 1.0, rng.uniform(0.2, 1, 60).round(2))
    return _with_covariate({"a": a, "b": b, "v": share, "w": 1 - share})


def _tree(species: int) -> pd.DataFrame:
    """Correlations of a trait after Brownian motion along a random coalescent tree."""
    rng = np.random.default_rng(5)
    shared, height = np.zeros((species, species)), 0.0
    clades = [[k] for k in range(species)]
    while len(clades) > 1:
        height += rng.exponential(2 / (len(clades) * (len(clades) - 1)))
        i, j = sorted(rng.choice(len(clades), 2, replace=False))
        shared[np.ix_(clades[i], clades[j])] = shared[np.ix_(clades[j], clades[i])] = height
        clades[i] += clades.pop(j)
    return pd.DataFrame(1 - shared / height)


def _visits() -> pd.DataFrame:
    """15 groups, two rows at each of 4 visits, every seventh row missing."""
    visits = np.tile(np.repeat(np.arange(1, 5), 2), 15)
    data = _with_covariate({"g": np.repeat(np.arange(15), 8), "visit": visits})
    return data[np.arange(len(data)) % 7 != 3].reset_index(drop=True)


def _series(groups: int = 10, visits: int = 8) -> pd.DataFrame:
    """A row of each group at each visit, every ninth row missing."""
    g, visit = np.repeat(np.arange(groups), visits), np.tile(np.arange(visits), groups)
    data = _with_covariate({"g": g, "visit": visit})
    return data[np.arange(len(data)) % 9 != 4].reset_index(drop=True)


def _two_responses() -> pd.DataFrame:
    """12 groups of 5 rows with two responses, some of which lack the one or the other."""
    data = _one_factor(12, 5).rename(columns={"y": "a"})
    data = data.assign(b=np.random.default_rng(6).normal(size=len(data)))
    rows = np.arange(len(data))
    return data.assign(a=data["a"].mask(rows % 7 == 3), b=data["b"].mask(rows % 11 == 5))


_MEAN = {name: PRIORS[name] for name in ("Intercept", "fixef")}
TERMS: Mapping[str, Structure] = {
    "smooth": Structure("y ~ x + s(t, k=8) + (1 | g)", _curve),
    "membership": Structure("y ~ x + (1 | mm(a, b, weights=(v, w)))", _members),
    "phylogeny": Structure(
        "y ~ x + (1 | gr(g, cov=A)) + (1 | g)",
        lambda: _one_factor(20, 3),
        settings=lambda: {"known": {"A": _tree(20)}},
    ),
    "effects_ar1": Structure("y ~ x + (0 + ar1(visit) | g)", _visits),
    "residual_ar1": Structure(
        "y ~ x + (1 | g)", _series, settings=lambda: {"residual": "ar1(visit | g)"}
    ),
    # an sd of each visit, and any correlations
    "residual_unstr": Structure(
        "y ~ x",
        lambda: _series(20, 4),
        {**_MEAN, "rho": mb.LKJ(2), "sigma": {"fixef": mb.Normal(0, 0.5)}},
        settings=lambda: {"residual": "unstr(visit | g)"},
    ),
}
_SIGMAS = {"sigma": {"fixef": mb.Normal(0, 0.5)}}
RESPONSES: Mapping[str, Structure] = {
    # residuals and effects of a group are correlated across responses, which some rows lack
    "mv_gaussian": Structure(
        "mv(a, b) ~ x + (1 | p | g)",
        _two_responses,
        {"fixef": mb.Normal(0, 1), "sd": mb.HalfNormal(1), "cor": mb.LKJ(1.5), "rho": mb.LKJ(1.5)}
        | _SIGMAS,
    ),
}
ALL: Mapping[str, Structure] = {**STRUCTURES, **GENERALISED, **TERMS, **RESPONSES}
