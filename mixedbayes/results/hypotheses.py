"""Hypotheses about quantities, from draws: estimate, probability and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.formula.statements import Comparison
from mixedbayes.numerics.density import density_at
from mixedbayes.results.hypothesis_table import Hypotheses, explained
from mixedbayes.results.statements import (
    Before,
    Drawn,
    Evaluated,
    Evaluation,
    NoPrior,
    Quantities,
    evaluated,
)
from mixedbayes.results.tables import ESTIMATE, Description, Interval, chained, labelled
from mixedbayes.sample.health import health, mcse_mean, tail_size

_NEAR = 30  # draws near a point or on one side, from which their share is known to some 20 %

_MANY = 100  # effective draws, of which not one beyond a point says that it lies in a tail


def hypotheses(
    texts: Sequence[str],
    quantities: Mapping[str, Floats] | Quantities,
    *,
    chains: int,
    prior: Mapping[str, Floats] | Before | None = None,
    prob: float = 0.95,
    interval: Interval = "eti",
    rope: tuple[float, float] | None = None,
) -> Hypotheses:
    """Statements about named draws, in a table with a row for each.

    A statement compares, `a - b > 0`, `a < b < c`, `abs(a) < 0.1`, several joined by `and`, `or`,
    `not`; or says that two values are equal, `a = b`; or is an expression, `exp(a)`, that is only
    estimated.

    Parameters
    ----------
    texts
        The statements.
    quantities
        Draws (S,) by name, chains one after the other; or what finds names and has their draws.
    chains
        How many chains the draws are of.
    prior
        Draws (P,) by name from the joint prior of the same quantities, or what knows their
        distributions too. Where a name is missing there, evidence ratios are NaN.
    prob
        Probability of the intervals.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.
    rope
        Lower and upper end of a region of practical equivalence, in the unit of the estimates.

    Returns
    -------
    Table with columns hypothesis, estimate, sd, lower, upper (of left minus right, or of the
    expression; NaN for chains and joint statements), probability, mcse, in_rope (where there is a
    `rope`), and with a `prior` evidence_ratio and prior_probability. What they are is in
    `attrs["note"]`.

    Raises
    ------
    FormulaError
        A statement is not understood, names nothing, or is not finite in some draws.
    ModelError
        There is no statement, or `rope`, `prob` or `interval` is not understood.
    """
    found = evaluated(texts, quantities, chains)
    how = Description.asked(prob, None, interval)
    ends = check_rope(rope)
    source = Drawn(prior) if isinstance(prior, Mapping) else prior
    rows, notes = [], dict[str, None]()
    for each in found:
        row, said = _row(each, how, ends, source)
        rows.append(row)
        notes |= dict.fromkeys(said)
    table = Hypotheses(rows)
    table["hypothesis"] = table["hypothesis"].astype("str")
    kinds = {"equality" if e.equality else "direction" if e.truth else "" for e in found}
    table.attrs["note"] = "\n".join([explained(kinds, prob, ends, source is not None), *notes])
    return table


def statement_draws(
    texts: Sequence[str], quantities: Mapping[str, Floats] | Quantities, *, chains: int
) -> xr.Dataset:
    """Draws of `estimate` and `holds`, each (chain, draw, hypothesis).

    `estimate` is left minus right or the expression, `holds` whether the statement holds, 1 or 0;
    NaN where there is none.
    """
    found = evaluated(texts, quantities, chains)
    S = len(found[0].values[0])
    none = np.full(S, np.nan)
    columns = {
        "estimate": [none if e.estimate is None else e.estimate for e in found],
        "holds": [none if e.holds is None else e.holds.astype(float) for e in found],
    }
    coords = {"hypothesis": [e.text for e in found]}
    return xr.Dataset(
        {
            name: labelled(np.stack(values, axis=1), chains, ["hypothesis"], coords, name)
            for name, values in columns.items()
        }
    )


def check_rope(rope: Any) -> tuple[float, float] | None:
    """The two ends; ModelError unless they are two numbers in order."""
    if rope is None:
        return None
    try:
        low, high = (float(end) for end in rope)
    except (TypeError, ValueError):
        low = high = np.nan
    if not low < high:
        raise ModelError(
            f"rope={rope!r}: give the lower and the upper end of the values that count as "
            "practically equal, in the unit of the estimate: rope=(-1, 1)"
        )
    return low, high


# ---- rows of the table ---------------------------------------------------------------------------


def _row(
    e: Evaluated, how: Description, rope: tuple[float, float] | None, prior: Before | None
) -> tuple[dict[str, Any], list[str]]:
    """One row, and what is to be said of it."""
    row: dict[str, Any] = {"hypothesis": e.text}
    of = dict.fromkeys(ESTIMATE, np.nan)
    if e.estimate is not None:
        of = {name: float(value[0]) for name, value in how.plain(e.estimate[None]).items()}
    row["estimate"] = of.pop("mean")
    row |= of
    row["probability"] = np.nan if e.holds is None else float(e.holds.mean())
    row["mcse"] = np.nan if e.holds is None else _mcse(e)
    if rope is not None:
        inside = None if e.estimate is None else (e.estimate >= rope[0]) & (e.estimate <= rope[1])
        row["in_rope"] = np.nan if inside is None else float(inside.mean())
    ratio = before = np.nan
    said: list[str] = []
    if prior is None:
        return row, said
    if e.truth:
        try:
            ratio, before = _equality(e, prior) if e.equality else _direction(e, prior)
        except NoPrior as reason:
            said = [f"No evidence ratio of {e.text}: {reason}."]
    row["evidence_ratio"], row["prior_probability"] = ratio, before
    return row, said


def _mcse(e: Evaluated) -> float:
    """Monte Carlo standard error of a probability; 1 / effective draws where it is 0 or 1."""
    assert e.holds is not None
    p, S = float(e.holds.mean()), len(e.holds)
    if p in (0.0, 1.0):
        return 1 / max(1.0, min(_effective(v, e.chains) for v in e.values))
    found = float(mcse_mean(chained(e.holds.astype(float), e.chains)[None])[0])
    return found if np.isfinite(found) else float(np.sqrt(p * (1 - p) / S))


def _effective(draws: Floats, chains: int) -> float:
    """Effective number of draws, in the middle or in the tails, whichever is fewer."""
    x = chained(draws, chains)[None]
    found = np.array([health(x)[0][0], tail_size(x)[0], len(draws)])
    return float(np.nanmin(found))


def _direction(e: Evaluated, prior: Before) -> tuple[float, float]:
    """Posterior odds over prior odds, and the prior probability."""
    assert e.holds is not None
    before = _prior_probability(e, prior)
    p = float(e.holds.mean())
    if before in (0.0, 1.0):
        raise NoPrior(f"its prior probability is {before:.0f}")
    odds = np.inf if p == 1 else p / (1 - p)
    return float(odds * (1 - before) / before), before


def _prior_probability(e: Evaluated, prior: Before) -> float:
    linear = e.linear()
    if linear is not None and linear[0]:
        weights, constant = linear
        found = prior.distribution(weights)
        if found is not None:
            below = float(found.cdf(-constant))
            return below if e.tree.operators[0].startswith("<") else 1 - below  # type: ignore[union-attr]
    draws = {n: prior.draws(f) for n, f in e.named.items()}
    holds = Evaluation(e.text, draws, strict=False).truth(e.tree)  # type: ignore[arg-type]
    fewest = min(holds.sum(), (~holds).sum())
    if fewest < _NEAR:
        raise NoPrior(
            f"of {len(holds):,} draws from the prior {holds.sum():,} agree with it, which is too "
            "few on one side to know its prior odds"
        )
    return float(holds.mean())


def _equality(e: Evaluated, prior: Before) -> tuple[float, float]:
    """Savage-Dickey: posterior over prior density of left minus right at 0; no probability."""
    assert e.estimate is not None
    assert isinstance(e.tree, Comparison)
    before = _prior_density(e, prior)
    size = min(_effective(e.estimate, e.chains), float(len(e.estimate)))
    after, near = density_at(e.estimate, 0.0, size, _bounds(e, prior))
    if not np.isfinite(before) or before <= 0:
        raise NoPrior("the prior density there is 0, infinite or beyond what draws tell")
    if near < _NEAR:
        beyond = min((e.estimate <= 0).mean(), (e.estimate >= 0).mean())
        against = size > _MANY and beyond < 1 / _MANY
        raise NoPrior(
            "too few draws of the posterior lie near the point to know their density there"
            + (", which speaks against the equality" if against else "")
        )
    return after / before, np.nan


def _prior_density(e: Evaluated, prior: Before) -> float:
    linear = e.linear()
    if linear is not None and linear[0]:
        weights, constant = linear
        found = prior.distribution(weights)
        if found is not None:
            return float(np.exp(found.logpdf(-constant)))
    evaluation = Evaluation(e.text, {n: prior.draws(f) for n, f in e.named.items()}, strict=False)
    draws = evaluation.difference(*e.tree.sides)  # type: ignore[union-attr]
    found, near = density_at(draws, 0.0, float(len(draws)), _bounds(e, prior))
    return found if near >= _NEAR else np.nan


def _bounds(e: Evaluated, prior: Before) -> tuple[float, float]:
    """Of left minus right, where it is one quantity times a number plus another."""
    linear = e.linear()
    if linear is None or len(linear[0]) != 1:
        return -np.inf, np.inf
    ((name, weight),) = linear[0].items()
    low, high = sorted(weight * end for end in prior.bounds(name))
    return low + linear[1], high + linear[1]
