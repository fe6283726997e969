"""The rows as the compiled likelihoods take them; equal rows added up where that is exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.families.base import Family
from mixedbayes.families.bernoulli import Bernoulli
from mixedbayes.families.beta import Beta
from mixedbayes.families.binomial import Binomial
from mixedbayes.families.cumulative import Cumulative
from mixedbayes.families.gamma import GammaFamily
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.links import Cloglog, Identity, Inverse, Link, Log, Logit, Probit
from mixedbayes.families.lognormal import Lognormal
from mixedbayes.families.negative_binomial import NegativeBinomial
from mixedbayes.families.poisson import Poisson
from mixedbayes.families.student_t import StudentTFamily
from mixedbayes.joint import likelihoods as code
from mixedbayes.joint import links

# The likelihood of each family, and for each of its links the one in front of it.
_SHARES: dict[type[Link], tuple[int, int]] = {
    Logit: (code.BINOMIAL_LOGIT, links.NONE),
    Probit: (code.BINOMIAL_PROBIT, links.NONE),
    Cloglog: (code.BINOMIAL_CLOGLOG, links.NONE),
}
_OF_MEAN: dict[type[Link], int] = {Identity: links.NONE, Log: links.EXP, Inverse: links.RECIPROCAL}
_OF_LOG_MEAN: dict[type[Link], int] = {
    Log: links.NONE,
    Identity: links.LOG,
    Inverse: links.MINUS_LOG,
}
_OF_LOG_ODDS: dict[type[Link], int] = {
    Logit: links.NONE,
    Probit: links.NORMAL_ODDS,
    Cloglog: links.GUMBEL_ODDS,
}
CODES: dict[type[Family], Mapping[type[Link], tuple[int, int]]] = {
    Bernoulli: _SHARES,
    Binomial: _SHARES,
    Poisson: {k: (code.POISSON, v) for k, v in _OF_LOG_MEAN.items()},
    NegativeBinomial: {k: (code.NEGATIVE_BINOMIAL, v) for k, v in _OF_LOG_MEAN.items()},
    Gaussian: {k: (code.NORMAL, v) for k, v in _OF_MEAN.items()},
    StudentTFamily: {k: (code.STUDENT, v) for k, v in _OF_MEAN.items()},
    Lognormal: {Identity: (code.NORMAL, links.NONE)},
    GammaFamily: {k: (code.GAMMA, v) for k, v in _OF_LOG_MEAN.items()},
    Beta: {k: (code.BETA, v) for k, v in _OF_LOG_ODDS.items()},
    Cumulative: {
        Logit: (code.CUMULATIVE_LOGIT, links.NONE),
        Probit: (code.CUMULATIVE_PROBIT, links.NONE),
    },
}
# Adding up rows pays where it leaves at most this share of them.
_WORTH = 0.8


def codes(family: Family) -> tuple[int, int] | None:
    """Compiled likelihood of a family, and the link in front of it; None where there is none."""
    return CODES.get(type(family), {}).get(type(family.link))


@dataclass(frozen=True, eq=False)
class RowData:
    """What the likelihood reads of each row, and the rows of the design that it stands for."""

    y: Floats  # (m,)
    size: Floats  # (m,)
    extra: Floats  # (m,)
    constant: float  # the part of the log likelihood that depends on the data alone
    rows: Ints  # (m,) a row of the design with these columns
    likelihood: int  # see `likelihoods`
    link: int  # see `links`
    n_mean: int  # the first rows, those of the mean: all, unless the design is stacked


def row_data(design: Design, family: Family) -> RowData:
    """The response in the likelihood's terms; rows with equal columns are one row where exact."""
    likelihood, link = CODES[type(family)][type(family.link)]
    y, size, extra, constant = _terms(design, family)
    rows: Ints = np.arange(design.n)
    ordinal = isinstance(family, Cumulative)
    if ordinal or isinstance(family, Bernoulli | Binomial | Poisson):
        group, first = _equal_rows(design, [y[:, None]] if ordinal else [])
        if len(first) <= _WORTH * design.n:
            size = np.bincount(group, size, len(first))
            y = y[first] if ordinal else np.bincount(group, y, len(first))
            extra, rows = np.zeros(len(first)), first
    if isinstance(family, Poisson):
        extra = np.log(np.where(y > 0, y, size) / size)
        constant += float(np.sum(y * extra - y))
    return RowData(y, size, extra, constant, rows, likelihood, link, len(rows))


def _terms(design: Design, family: Family) -> tuple[Floats, Floats, Floats, float]:
    """y, size and extra (n,), and the constant; see `likelihoods`."""
    y, none = design.y, np.zeros(design.n)
    w = np.ones(design.n) if design.weights is None else design.weights
    half_log = 0.5 * np.log(2 * np.pi)
    match family:
        case Binomial():
            n = np.asarray(design.trials, float)
            ways = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(n - y + 1)
            return w * y, w * n, none, float(w @ ways)
        case Bernoulli():
            return w * y, w, none, 0.0
        case Poisson():
            return w * y, w, none, -float(w @ special.gammaln(y + 1))
        case Cumulative():
            return y, w, none, 0.0
        case NegativeBinomial():
            return y, w, none, -float(w @ special.gammaln(y + 1))
        case StudentTFamily():
            return y, w, none, float(0.5 * np.log(w).sum() - design.n * 0.5 * np.log(np.pi))
        case Gaussian():
            return y, w, none, float(0.5 * np.log(w).sum() - design.n * half_log)
        case Lognormal():
            logs = np.log(y)
            constant = 0.5 * np.log(w).sum() - design.n * half_log - logs.sum()
            return logs, w, none, float(constant)
        case GammaFamily():
            return y, w, np.log(y), -float(np.log(y).sum())
    logs, rest = np.log(y), np.log1p(-y)
    return logs, w, rest, -float(w @ (logs + rest))


def _equal_rows(design: Design, more: Sequence[Floats]) -> tuple[Ints, Ints]:
    """Code of each row's set of columns (and of `more` columns), and the first row of each set."""
    mu = design.mu
    columns = [*more, mu.X, *(g.refs[:, None] for g in mu.groups), *(g.Z for g in mu.groups)]
    if mu.offset is not None:
        columns.append(mu.offset[:, None])
    table = pd.DataFrame(np.concatenate(columns, axis=1) if columns else np.zeros((design.n, 1)))
    if not table.shape[1]:
        return np.zeros(design.n, np.int64), np.zeros(1, np.int64)
    group = table.groupby(list(table.columns), sort=False).ngroup().to_numpy()
    first = np.unique(group, return_index=True)[1]
    return group, first
