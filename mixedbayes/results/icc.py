"""Intraclass correlation: the share of variance that lies between groups."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design import replay, weighted_columns
from mixedbayes.design.limits import limits_note
from mixedbayes.design.types import Floats, GroupDesign, LinearPredictor
from mixedbayes.design.used import Used, used_columns
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.links import Identity
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import (
    Description,
    Interval,
    Statistics,
    apart,
    chained,
    labelled,
    noted,
)
from mixedbayes.results.variance import (
    Components,
    average_parameters,
    components,
    icc_response,
    mean_predictor,
    need_shares,
    ratio,
)

type At = Mapping[str, Sequence[Any]] | pd.DataFrame

ALL = "all"
KINDS = ("adjusted", "unadjusted")


def check_scale(scale: str) -> None:
    """ModelError unless the scale is known."""
    if scale not in ("link", "response"):
        raise ModelError(f'scale={scale!r}: use "link" or "response"')


def icc_kernel(parts: Components) -> Floats:
    """(2, K + 1, S) adjusted and unadjusted ICC of K grouping factors and of all together.

    adjusted = group / (all groups + residual); unadjusted has the variance of the population part
    in the denominator as well.
    """
    part = np.stack([*parts.groups.values(), parts.random])
    return np.stack([ratio(part, parts.random + parts.residual), ratio(part, parts.total)])


@overload
def icc(
    post: Any, prob: float = 0.95, *, at: At | None = None,
    scale: Literal["link", "response"] = "link", draws: Literal[False] = False,
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def icc(
    post: Any, prob: float = 0.95, *, at: At | None = None,
    scale: Literal["link", "response"] = "link", draws: Literal[True],
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.Dataset: ...  # fmt: skip


@overload
def icc(
    post: Any, prob: float = 0.95, *, at: At | None = None,
    scale: Literal["link", "response"] = "link", draws: bool, statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset: ...  # fmt: skip


def icc(
    post: Posterior,
    prob: float = 0.95,
    *,
    at: At | None = None,
    scale: Literal["link", "response"] = "link",
    draws: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.Dataset:
    """Intraclass correlation with its posterior, on the link scale unless asked otherwise.

    adjusted = sum_k E[z' Sigma_k z] / (sum_k E[z' Sigma_k z] + residual variance), the mean E being
    over the rows of the data; `unadjusted` adds the variance of the population part to the
    denominator. For one intercept per group this is tau^2 / (tau^2 + sigma^2).

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the interval.
    at
        Values of covariates at which to evaluate it, such as {"Days": [0, 5, 9]}: with random
        slopes, with a formula for a further parameter, or where the residual variance depends on
        the mean (counts with the log link), the ICC is a function of covariates; on the response
        scale, of all that move the mean. Several give all combinations; a data frame is taken row
        by row. At a point it is the ICC of the same rows, had these covariates its values in every
        one: group variances, the mean, further parameters and the residual variance are those at
        the point, and what is not named varies as in the data. Only the adjusted ICC is defined
        there.
    scale
        "link": of the latent response, with the family's variance there. "response": of the
        response itself, by quadrature over the effects; see `mixedbayes.results.variance`.
    draws
        Return the draws instead: a Dataset with dimensions (chain, draw, group), and `point` for
        the values in `at`.
    statistics
        Columns in the place of mean, sd, lower and upper, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per grouping factor, kind and point, and of several factors one for "all":

        - group: the grouping factor, or "all";
        - kind: "adjusted", "unadjusted";
        - the covariates of `at`; one that is called as another column has `_value` added to its
          name;
        - mean, sd: posterior mean and standard deviation;
        - lower, upper: ends of the interval of probability `prob`;
        - ess_bulk: effective number of draws in the bulk of the distribution; 400 and more are
          enough for the mean;
        - rhat: 1.00 where the chains agree; above 1.01 they do not yet.

        Of censored and truncated responses it is that of the response before either, on both
        scales, which `attrs["note"]` says.

    Warns
    -----
    UserWarning
        As a method, where the residual has no finite variance (Student's t with nu <= 2).

    Raises
    ------
    ModelError
        If the model has no group effects, or its response is a category without an order, or the
        ICC does not depend on a covariate of `at`; or
        `prob`, a statistic or the interval is not known.
    DataError
        If a value of `at` is not one that its covariate can have.

    See Also
    --------
    r2 : What the population part explains.
    varcorr : The sds themselves.
    plot_icc : The picture.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.icc()
         group        kind   mean      sd  lower  upper ess_bulk  rhat
    0  Subject    adjusted 0.7219 0.06588 0.5852 0.8450     3635 1.002
    1  Subject  unadjusted 0.5291 0.08933 0.3652 0.7131     3661 1.001

    With a random slope it depends on the day:

    >>> fit.icc(at={"Days": [0, 9]})
         group      kind  Days   mean      sd  lower  upper ess_bulk  rhat
    0  Subject  adjusted     0 0.5736  0.1153 0.3439 0.7816     3654 1.000
    1  Subject  adjusted     9 0.8325 0.04891 0.7274 0.9154     3998 1.001

    References
    ----------
    Nakagawa, Johnson & Schielzeth (2017), doi:10.1098/rsif.2017.0213; Johnson (2014),
    doi:10.1111/2041-210X.12225, for random slopes.
    """
    if not post.design.mu.factors:
        where = " on the mean" if post.design.factors else ""
        raise ModelError(
            f"the model has no group effects{where}, so no intraclass correlation"
            f"{_of_residuals(post)}"
        )
    need_shares(post)
    check_scale(scale)
    how = Description.asked(prob, statistics, interval)
    note = limits_note(post.design)
    if at is not None:
        return noted(_icc_at(post, how, grid(at), draws, response=scale == "response"), note)
    values = post.by_set(_of_link if scale == "link" else icc_response)
    groups = _shown(post)
    values, chains = values[:, : len(groups)], post.shape[0]
    if draws:
        found = {
            kind: labelled(v.T, chains, ["group"], {"group": groups}, kind)
            for kind, v in zip(KINDS, values, strict=True)
        }
        return noted(xr.Dataset(found), note)
    table = pd.DataFrame({"group": groups * 2, "kind": np.repeat(KINDS, len(groups))}, dtype="str")
    stacked = np.moveaxis(values, 2, 0)  # (S, 2, K or K + 1)
    return noted(table.assign(**how.sampled(chained(stacked, chains))), note)


def _of_link(post: Posterior) -> Floats:
    return icc_kernel(components(post))


def _shown(post: Posterior) -> list[str]:
    """The grouping factors, and all of them together where they are several."""
    groups = [g.name for g in post.design.mu.factors]
    return [*groups, ALL] if len(groups) > 1 else groups


def grid(at: At) -> pd.DataFrame:
    """One row per point: all combinations of the values given, or the data frame's own rows."""
    if isinstance(at, pd.DataFrame):
        return at.reset_index(drop=True)
    if not isinstance(at, Mapping):
        raise ModelError(
            f"at={at!r}: name the covariate whose values these are; give for example "
            "at={'Days': [0, 5, 9]}"
        )
    values = {name: [v] if np.isscalar(v) else list(v) for name, v in at.items()}
    empty = [name for name, v in values.items() if not v]
    if empty or not values:
        where = f"no value for {empty[0]!r}" if empty else "no covariate"
        raise ModelError(f"at={dict(at)!r}: {where}; give for example at={{'Days': [0, 5, 9]}}")
    return pd.DataFrame(list(product(*values.values())), columns=list(values))


def _icc_at(
    post: Posterior,
    how: Description,
    points: pd.DataFrame,
    draws: bool,
    *,
    response: bool,
) -> Any:
    _check_points(post, points, response)
    frame = None if post.design.data is None else post.design.frame
    each = []
    for i in range(len(points)):
        there = at_point(post, points.iloc[[i]], frame, response=response)
        with np.errstate(all="ignore"):
            found = (icc_response(there) if response else icc_kernel(components(there)))[0]
        if np.isnan(found).any():
            said = ", ".join(f"{name} = {points[name].iloc[i]}" for name in points.columns)
            raise DataError(
                f"at: with {said} the mean or the variances are beyond what can be computed with; "
                "choose values nearer to the data"
            )
        each.append(found)
    labels, chains = _shown(post), post.shape[0]
    stacked = np.stack(each, axis=2)[: len(labels)].swapaxes(0, 1)  # (S, K or K + 1, m)
    if draws:
        sampled = (names.CHAIN, names.DRAW, "group", "point", KINDS[0])
        where = points.rename(columns=lambda name: apart(name, sampled, "value"))
        coords = {"group": labels, **{name: ("point", where[name].array) for name in where}}
        return labelled(stacked, chains, ["group", "point"], coords, KINDS[0]).to_dataset()
    described = how.sampled(chained(stacked, chains))
    taken = ("group", "kind", *described)
    table = pd.DataFrame(
        {
            "group": pd.Series(np.repeat(labels, len(points)), dtype="str"),
            "kind": pd.Series([KINDS[0]] * (len(labels) * len(points)), dtype="str"),
        }
    )
    where = points.rename(columns=lambda name: apart(name, taken, "value"))
    below = pd.concat([where] * len(labels), ignore_index=True)
    return pd.concat([table, below], axis=1).assign(**described)


def _check_points(post: Posterior, points: pd.DataFrame, response: bool) -> None:
    known = covariates(post, response=response)
    strange = [name for name in points.columns if name not in known]
    if not strange:
        return
    near = difflib.get_close_matches(str(strange[0]).lower(), [k.lower() for k in known], n=1)
    if near:
        meant = next(k for k in known if k.lower() == near[0])
        raise ModelError(
            f"at: the intraclass correlation does not depend on {strange[0]!r}. Did you mean "
            f"{meant!r}?"
        )
    on = (
        f"it depends on {', '.join(known)}"
        if known
        else "the group effects are intercepts, and the residual variance is the same in all rows"
    )
    there = set(covariates(post, response=True))
    also = (
        '; on the scale of the response it does: scale="response"' if there & set(strange) else ""
    )
    raise ModelError(
        f"at: the intraclass correlation does not depend on {', '.join(map(repr, strange))}: "
        f"{on}{also}"
    )


# ---- at values of covariates -------------------------------------------------------------------


def _of_residuals(post: Posterior) -> str:
    """Where correlations of rows of a group are that have no effects; empty where there are none.

    Equal ones with one sd are the share of variance between groups.
    """
    own = post.design.residual
    if own is None:
        return ""
    symbols = " and ".join(own.symbols)
    if own.structure.equal and own.structure.one_sd:
        return f": of residuals {own.text} it is their correlation {symbols}, in parameters()"
    said = f"how alike rows of one {own.name} are, {own.text}, is {symbols}"
    return f": {said}, in parameters()"


_STEP = 0.1  # of the linear predictor, over which a residual variance may change


def covariates(post: Posterior, *, response: bool = False) -> list[str]:
    """Columns that the variances depend on, in the order of the formula.

    Those of the mean's group effects and of further parameters; where the residual variance, or
    what the effects do to the `response`, depends on the mean, those of its population part; and
    weights that divide it. On the link scale unless on that of the response.
    """
    found: list[str] = []
    for predictor in post.predictors:
        used = _used(post, predictor.parameter)
        if predictor.parameter != "mu" or _mean_matters(post, response):
            found += used.fixed
        found += [name for g in predictor.factors for name in used.effects[g.name]]
    return list(dict.fromkeys([*found, *_weighing(post)]))


def at_point(
    post: Posterior, point: pd.DataFrame, frame: pd.DataFrame | None, *, response: bool = False
) -> Posterior:
    """The posterior with the columns of `point` at its values in every row of the design.

    Parameters
    ----------
    post
        The posterior.
    point
        One row: the covariates' values.
    frame
        The rows of the fit as a data frame; without it every row is `point`, which then has all
        columns that are needed. Parts of the design that no column of `point` enters stay as they
        are.
    response
        For variances on the scale of the response, as in `covariates`.
    """
    rows = point
    if frame is not None:
        rows = frame.copy(deep=False)
        for name in point.columns:
            rows[name] = point[name].iloc[0]
    named, matters = set(point.columns), _mean_matters(post, response)
    design = post.design.each(lambda p: _moved(post, p, rows, named, matters))
    if not _weighing(post).isdisjoint(point.columns):
        weights = replay(post.design, rows, groups=[]).weights
        design = replace(design, weights=None if weights is None else _every_row(weights, design.n))
    return post.with_design(design)


def _moved(
    post: Posterior,
    predictor: LinearPredictor,
    rows: pd.DataFrame,
    named: set[str],
    mean_matters: bool,
) -> LinearPredictor:
    p, design = predictor.parameter, post.design
    used = _used(post, p)

    def effects(g: GroupDesign) -> GroupDesign:
        if named.isdisjoint(used.effects[g.name]):
            return g
        Z, weights = weighted_columns(design, g.name, rows, p)
        weights = None if weights is None else _every_row(weights, design.n)
        return g.with_columns(_every_row(Z, design.n), weights)

    groups = tuple(effects(g) for g in predictor.factors)
    if named.isdisjoint(used.fixed) or not (p != "mu" or mean_matters):
        return replace(predictor, groups=groups)
    new = replay(design, rows, groups=[], parameter=p)
    offset = None if new.offset is None else _every_row(new.offset, design.n)
    return replace(predictor, groups=groups, X=_every_row(new.X, design.n), offset=offset)


def _weighing(post: Posterior) -> set[str]:
    """Columns of weights that divide the residual variance."""
    used = used_columns(post.design.formula)
    return set() if post.family.repeats_rows else set(used.weights)


def _every_row(columns: Floats, n: int) -> Floats:
    return np.broadcast_to(columns, (n, *columns.shape[1:]))


def _used(post: Posterior, parameter: str) -> Used:
    formula = post.design.formula
    if parameter == "mu":
        return used_columns(formula)
    return used_columns(next(f for f in formula.others if f.of == parameter))


def _mean_matters(post: Posterior, response: bool) -> bool:
    """Whether a variance depends on the mean: the residual's on the link scale, or any."""
    if response and not isinstance(post.family.link, Identity):
        return True
    family, own, eta = post.family, average_parameters(post), mean_predictor(post)
    here, there = (
        family.latent_variance(family.link.inverse(eta + step, np), own) for step in (0.0, _STEP)
    )
    return not np.allclose(here, there, rtol=1e-9, atol=0.0)
