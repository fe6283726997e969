"""Replicated responses, and what of the data they should look like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.checks.leave_out import anchored
from mixedbayes.checks.residual import written_out
from mixedbayes.design.types import Floats, Ints
from mixedbayes.errors import ModelError
from mixedbayes.model.coords import model_coords, response_name
from mixedbayes.predict.predict import predict
from mixedbayes.predict.prior import prior_predictive as from_priors
from mixedbayes.predict.streams import seed_of
from mixedbayes.results.posterior import Posterior

PRIOR_DRAWS = 1000
_FEWEST_ROWS, _MOST_NUMBERS = 1000, 5 * 10**7  # of rows written out, and of their replicates

Groups = Literal["auto", "new"]
GROUPS = {"auto": "posterior_predictive", "new": "posterior_predictive_new"}


def posterior_predictive(
    post: Posterior, groups: Groups = "auto", *, seed: int | None = None
) -> xr.Dataset:
    """Replicated responses of the rows used, one set in each posterior draw.

    They are kept in ``idata["posterior_predictive"]``, where ArviZ looks for them, and of new
    groups in ``idata["posterior_predictive_new"]``. What is kept is never replaced; another `seed`
    than that of what is kept gives new draws that are not kept.

    Parameters
    ----------
    post
        The posterior.
    groups
        "auto": of the same groups, with their own effects. "new": of groups never seen, whose
        effects are drawn from the population; rows that share a level share its draw.
    seed
        By default the fit's own.

    Returns
    -------
    Dataset
        The response (chain, draw, obs), on the scale of `observed_data`; of counts of categories
        in several columns (chain, draw, obs, category). Each row has one
        replicate, as it has one response there: of a row that weights count several times, one of
        these observations, as in brms. ArviZ's pictures of them weigh all rows alike; `pp_check`
        and `check` write such rows out.

    Raises
    ------
    ModelError
        `groups` is another; draws would take more than 2 GB.

    See Also
    --------
    pp_check : Pictures of them beside the data.
    prior_predictive : The same before the data.
    predict : New rows.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> dict(fit.posterior_predictive().sizes)
    {'chain': 4, 'draw': 1000, 'obs': 180}
    >>> fit.posterior_predictive("new")["Reaction"].shape
    (4, 1000, 180)
    """
    place = _place(groups)
    kept = _kept(post, place, seed)
    if kept is not None:
        return kept
    found = replicated(post, groups, seed)
    _keep(post, place, found)
    return found


def prior_predictive(post: Posterior, *, seed: int | None = None) -> xr.Dataset:
    """Responses of the rows used, drawn from the priors alone: 1,000 draws.

    They are kept, with the parameters they come from, in ``idata["prior_predictive"]`` and
    ``idata["prior"]``, as those of `posterior_predictive` are.

    Parameters
    ----------
    post
        The posterior.
    seed
        By default the fit's own.

    Returns
    -------
    Dataset
        The response (chain, draw, obs), of one chain; of counts of categories in several columns
        (chain, draw, obs, category).

    Raises
    ------
    PriorError
        A prior is improper (Flat), so that nothing can be drawn from it.

    See Also
    --------
    pp_check : With ``prior=True`` pictures of them.
    posterior_predictive : The same after the data.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> drawn = fit.prior_predictive()["Reaction"]
    >>> drawn.shape
    (1, 1000, 180)
    """
    kept = _kept(post, "prior_predictive", seed)
    if kept is not None:
        return kept
    tree = from_priors(post.spec, PRIOR_DRAWS, seed_of(post, seed))
    for name in ("prior", "prior_predictive"):
        _keep(post, name, tree[name].to_dataset())
    return tree["prior_predictive"].to_dataset()


def _place(groups: object) -> str:
    """Where the tree keeps replicates of these groups."""
    if not isinstance(groups, str) or groups not in GROUPS:
        raise ModelError(
            f'groups={groups!r}: replicate the same groups with "auto", or groups never seen '
            'with "new"'
        )
    return GROUPS[groups]


def _kept(post: Posterior, name: str, seed: int | None) -> xr.Dataset | None:
    """What the tree has, unless another seed is asked for."""
    kept = post.idata.children.get(name)
    if kept is None or seed not in (None, kept.attrs.get("seed")):
        return None
    return kept.to_dataset()


def _keep(post: Posterior, name: str, found: xr.Dataset) -> None:
    if name not in post.idata.children:
        post.idata[name] = xr.DataTree(found)


def replicated(post: Posterior, groups: Groups, seed: int | None) -> xr.Dataset:
    """`posterior_predictive`, of which nothing is kept."""
    _place(groups)
    drawn = predict(post, groups=groups, kind="response", draws=True, seed=seed, progress=False)
    coords = {names.OBS: model_coords(post.spec)[names.OBS]}
    name = response_name(post.spec)
    return (
        drawn.assign_coords(coords)
        .rename(name)
        .to_dataset()
        .assign_attrs(seed=seed_of(post, seed), groups=groups)
    )


def written_out_predictive(
    post: Posterior, groups: Groups, seed: int | None, *, prior: bool
) -> tuple[Posterior, xr.Dataset | None]:
    """The posterior of rows that count several times, written out, and replicates of these rows.

    The same posterior and None where weights do not repeat rows; see `written_out`.
    """
    if post.design.weights is None or not post.family.repeats_rows:
        return post, None
    most = max(_FEWEST_ROWS, _MOST_NUMBERS // post.n_draws)
    rows = post.with_design(written_out(post.design, post.family, most))
    if not prior:
        return rows, replicated(rows, groups, seed)
    whole = anchored(post.spec)
    some = replace(whole, design=written_out(whole.design, whole.family, most))
    tree = from_priors(some, PRIOR_DRAWS, seed_of(post, seed))
    return rows, tree["prior_predictive"].to_dataset()


@dataclass(frozen=True)
class Statistic:
    """A number made of a set of responses."""

    label: str
    function: Callable[[Floats], Floats]  # over the last axis

    def __call__(self, y: Floats) -> Floats:
        return self.function(y)


def _zeros(y: Floats) -> Floats:
    return np.mean(y == 0, axis=-1)


STATISTICS: dict[str, Callable[[Floats], Floats]] = {
    "mean": lambda y: y.mean(axis=-1),
    "sd": lambda y: y.std(axis=-1, ddof=1) if y.shape[-1] > 1 else np.zeros(y.shape[:-1]),
    "min": lambda y: y.min(axis=-1),
    "max": lambda y: y.max(axis=-1),
    "zeros": _zeros,
}


def statistic(stat: Any) -> Statistic:
    """A statistic by name, or of the user's own function of one set of responses (n,)."""
    if callable(stat):
        name = getattr(stat, "__name__", "<lambda>")
        named = name != "<lambda>"
        what = f"the statistic {name!r}" if named else "the statistic"

        def one(y: Floats) -> float:
            try:
                value = float(stat(y))
            except Exception as error:
                raise ModelError(
                    f"{what} of {len(y):,} responses failed: {error}; it is to be a function of an "
                    "array of responses that returns a number"
                ) from error
            if not np.isfinite(value):
                raise ModelError(
                    f"{what} is {value} of some {len(y):,} responses, observed or replicated; it "
                    "is to be a finite number of any that the model can give"
                )
            return value

        return Statistic(name if named else "statistic", lambda y: np.apply_along_axis(one, -1, y))
    if stat in STATISTICS:
        return Statistic("share of zeros" if stat == "zeros" else stat, STATISTICS[stat])
    raise ModelError(
        f"stat={stat!r} is not known: use one of {', '.join(map(repr, STATISTICS))}, or a function "
        "of an array of responses that returns a number"
    )


@dataclass(frozen=True, eq=False)
class Check:
    """A statistic of the data beside its replicates.

    p is the share of replicates above the observed value, ties counted half; near 0 or 1 the model
    does not reproduce this side of the data.
    """

    replicated: Floats  # (C, D)
    observed: float

    @property
    def p(self) -> float:
        above, equal = self.replicated > self.observed, self.replicated == self.observed
        return float(np.mean(above) + np.mean(equal) / 2)


def check_statistic(stat: Statistic, replicated: Floats, y: Floats, rows: Ints | slice) -> Check:
    """The statistic of some rows: of replicates (C, D, n) and of the data (n,)."""
    return Check(stat(replicated[..., rows]), float(stat(y[rows])))
