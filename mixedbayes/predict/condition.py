"""The posterior of new groups from their few rows, without fitting again."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design import replay, replay_residual
from mixedbayes.design.table import eager
from mixedbayes.design.types import Design, Floats, GroupDesign, Ints, NewRows, NewTerm, Residual
from mixedbayes.design.values import label, listed, row_name
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.base import Family
from mixedbayes.predict.beyond import Extension
from mixedbayes.predict.conditioned import Conditioned
from mixedbayes.predict.linear import (
    Moving,
    covariance_roots,
    given_related,
    predictor,
    related_places,
)
from mixedbayes.predict.rows import FactorRows, PredictionRows
from mixedbayes.predict.streams import seed_of
from mixedbayes.predict.updating import MU, NewData, Unseen, exact, weighted
from mixedbayes.results.posterior import Posterior
from mixedbayes.terms.arms import Arms
from mixedbayes.terms.base import Term

MOST_EFFECTS = 500


def condition_on(post: Posterior, rows: Any, *, seed: int | None = None) -> Conditioned:
    """The posterior of groups that the fit has not seen, given a few of their rows.

    The result is the posterior with these rows added to the data. What the rows say about the
    parameters enters by weighting the draws with the rows' likelihood, the new effects integrated
    out. Of a gaussian model with identity link the new effects have, in every draw, their exact
    normal distribution given the rows. Of other models they are proposed near their mode in every
    draw, and weighted together with the draw by importance sampling: those on further parameters
    with those on the mean, as their covariance across parameters has it. Before these rows, the
    effects of levels that a known relation has, ``gr(animal, cov=A)``, are those given the effects
    of the fit's levels: a calf's given its parents'.

    Parameters
    ----------
    post
        The posterior.
    rows
        Data frame with the response and all columns of the formula. Every row belongs to a level
        that the fit has not seen, of at least one grouping factor; several new levels may be given.
        Where residuals are correlated, to new groups of these; predictions of their other rows are
        then given the residuals of these rows, too, and a model may have no group effects.
    seed
        Of the draws that predictions are made of; by default the fit's own.

    Returns
    -------
    Conditioned
        With `ranef`, `coef` and `predict` for the new levels.

    Warns
    -----
    UserWarning
        If the rows say so much beyond the fit that few of its draws carry the weight: Pareto k
        above its limit, or draws worth fewer than 100.

    Raises
    ------
    DataError
        Rows belong to levels of the fit alone, lack columns, or have responses that the family
        cannot have.
    ModelError
        There are no group effects; only summaries of effects that the rows need were kept; the
        effects of the new levels are not normal.

    See Also
    --------
    predict : Of a new group without any rows.
    ranef : Effects of the groups of the fit.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"Days": [0, 1, 2], "Subject": "Ann", "Reaction": [310.0, 340, 395]})
    >>> ann = fit.condition_on(rows)
    >>> ann.coef()[["level", "term", "mean", "sd"]]
      level       term  mean    sd
    0   Ann  Intercept 320.2 15.84
    1   Ann       Days 14.94 6.782

    The population's slope is 10.4; three fast rising days move hers. Her ninth day:

    >>> ann.predict(pd.DataFrame({"Days": [9], "Subject": ["Ann"]}))
       Days Subject  mean    sd lower upper new
    0     9     Ann 454.4 61.95 333.8 575.8

    References
    ----------
    Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling,
    arXiv:1507.02646.
    """
    _check_model(post)
    rows = eager(rows)
    correlated = _correlated(post, rows)
    known = post.design.several is not None  # rows of the responses that there are
    new = {
        p: replay(post.design, rows, response=known or p == MU, parameter=p, beyond=True)
        for p in _parameters(post)
    }
    _check_rows(post.design, new, apart=correlated is not None and not known)
    brought = [
        (p, g)
        for p in new
        for g in post.predictor(p).groups
        if (new[p].groups[g.name].codes < 0).any()
    ]
    _check_brought([g for _, g in brought])
    unseen = tuple((p, _new_design(g, new[p].groups[g.name])) for p, g in brought)
    data, number = _new_data(post, new, unseen), seed_of(post, seed)
    data = _with_residual(post, data, correlated)
    _check_support(data, new[MU])
    closed = post.closed_form or (data.residual is not None and not data.further)
    effects = exact(data) if closed else weighted(data, number)
    result = Conditioned(post, unseen, data.n, effects, number)
    if result.warning:
        warnings.warn(result.warning, UserWarning, stacklevel=3)
    return result


def _correlated(post: Posterior, rows: Any) -> Residual | None:
    """Where the rows are in the structure of residuals, if there is one.

    DataError where a row is of a group of the fit.
    """
    if post.design.residual is None:
        return None
    own = replay_residual(post.design, rows, response=True)
    there = set(post.design.residual.levels.tolist()) if post.design.several is None else set()
    if known := [g for g in own.levels.tolist() if g in there]:
        raise DataError(
            f"{len(known)} level(s) of {own.name} are in the fit, such as {known[0]!r}, and "
            f"residuals of its rows are correlated, {own.text}: fit again with the rows added"
        )
    return own


def _with_residual(post: Posterior, data: NewData, own: Residual | None) -> NewData:
    """The rows with the correlations of their residuals, where they have such.

    ModelError where there are effects of theirs on sigma, too.
    """
    if own is None:
        return data
    if data.further:
        raise ModelError(
            f"condition_on() is not offered here: residuals are {own.text}, and "
            f"{' and '.join(data.further)} has effects of groups; fit again with the rows added"
        )
    return replace(data, residual=own, correlations=post.correlations())


def _parameters(post: Posterior) -> list[str]:
    """The mean, and the further parameters that have a formula."""
    return [MU, *post.design.further]


def _check_model(post: Posterior) -> None:
    groups = [g for p in post.predictors for g in p.groups if g.grouping]
    if not groups and (post.design.residual is None or post.design.several is not None):
        raise ModelError(
            "the model has no group effects, so there is no new group to condition on; "
            "fit again with these rows added"
        )


def _check_brought(brought: Sequence[Term]) -> None:
    """Effects of new levels are normal: given those of the fit where they are known to be related.

    Those of other laws are as in each draw.
    """
    for g in brought:
        if reason := (g.related if g.related_to is None else "") or g.unusual_law:
            raise ModelError(
                f"condition_on() finds effects that are normal, and {reason}:"
                f" rows of new levels of {g.name} cannot be conditioned on. Fit again with them "
                "added to the data, or give rows whose levels of it are in the fit"
            )


def _check_rows(design: Design, every: Mapping[str, NewRows], *, apart: bool) -> None:
    """Every row brings a new level; there are not too many of them.

    `apart` is whether every row is of a group whose residuals are correlated, and new.
    """
    new = every[MU]
    if not len(new.X):
        raise DataError("there are no rows to condition on")
    pairs = zip(design.parts, new.each, strict=True) if new.each else [(design, new)]
    for one, own in pairs:
        response = one.formula.response
        trials = response.trials and f"trials({response.trials})"
        for said, values in ((response.weighing, "weights"), (trials, "trials")):
            if said and own is not None and getattr(own, values) is None:
                raise DataError(f"the rows lack the column(s) of {said}; add them")
    named = [[g for g in rows.groups.values() if g.labels is not None] for rows in every.values()]
    there = [g for own in named for g in own]
    known = np.all([(group.codes >= 0).all(axis=1) for group in there], axis=0)
    if not apart and known.any():
        finest = next(own[-1] for own in named if own)
        assert finest.labels is not None
        found = finest.labels[np.repeat(known, finest.codes.shape[1])].unique()
        shown = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        raise DataError(
            f"{int(known.sum())} of {len(known)} rows belong to levels that are in the fit "
            f"({finest.name}: {shown}); condition_on() is for new levels. Leave these rows out, or "
            "fit again with them added to the data"
        )
    effects = sum(g.unseen[1].nunique() * g.Z.shape[1] for g in there)
    if effects > MOST_EFFECTS:
        raise DataError(
            f"the rows bring {effects:,} new effects, more than {MOST_EFFECTS:,}; condition on "
            "fewer levels at a time, or fit again with the rows added to the data"
        )


def responses(design: Design, family: Family, new: NewRows) -> Floats:
    """(m,) the responses, coded as those of the fit; those of several columns as the new rows'."""
    if new.each:
        found = np.array(new.y, float)
        for k, (part, one) in enumerate(zip(design.parts, new.each, strict=True)):
            if one is not None:
                found[new.places == k] = responses(part, family.of_response(k), one)
        return found
    columns, y, levels, labels = (
        family.columns, np.asarray(new.y), design.response_levels, new.response_levels,
    )  # fmt: skip
    if columns or levels is None or levels == labels:
        return y
    values = [float(v) if labels is None else labels[int(v)] for v in y]
    unknown = [v for v in values if v not in levels]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(values)} responses are categories that the fit has not seen, "
            f"such as {_shown(unknown[0])}; it has {', '.join(map(repr, levels))}"
        )
    return np.array([float(levels.index(v)) for v in values])


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _check_support(data: NewData, new: NewRows) -> None:
    """Every response is one that the family can have, and that some draw can expect."""
    family, some = data.family, np.arange(min(data.n_draws, 20))
    said, possible = "", np.ones(data.n, bool)
    for at, own in _families(family, new):
        trials = None if data.trials is None else data.trials[at]
        possible[at] = own.supports(data.y[at], trials if own.trials else None)
        if not possible[at].all():
            said = said or f"impossible in a {own.name} model, which takes {own.takes}"
    if possible.all():
        with np.errstate(all="ignore"):
            possible = np.isfinite(data.density(some)(*data.etas(some))).any(axis=0)
        said = "further from what the fit expects than numbers can tell"
    if not possible.all():
        first = int(np.argmin(possible))
        where = row_name(new.index, first)
        raise DataError(
            f"{int((~possible).sum())} of {data.n} responses are {said} (first in row "
            f"{where}: {data.y[first]:g}); correct these rows or leave them out"
        )


def _families(family: Family, new: NewRows) -> list[tuple[Any, Family]]:
    """Rows and their family: of several responses those of each."""
    if new.places is None:
        return [(slice(None), family)]
    every = (np.flatnonzero(new.places == k) for k in range(len(new.each)))
    return [(at, family.of_response(k)) for k, at in enumerate(every) if len(at)]


def _new_design(g: Term, new: NewTerm) -> GroupDesign:
    """The new levels, in order of appearance, with the conditioning rows that belong to them."""
    at, labels, parts = new.unseen
    found = refs, levels = pd.factorize(labels)
    parts = parts.iloc[np.unique(refs, return_index=True)[1]].reset_index(drop=True)
    Z = new.Z[at // new.codes.shape[1]]
    terms, blocks, covariance = g.terms, g.blocks, g.covariance
    if new.beyond:
        q, k = len(terms), len(new.beyond)
        own = max(blocks, key=len)
        blocks = tuple((*b, *range(q, q + k)) if b == own else b for b in blocks)
        terms = (*terms, *(f"{covariance.of}[{label(v)}]" for v in new.beyond))
        covariance = covariance.placed((*covariance.at, *new.beyond), covariance.of)
    return GroupDesign(
        g.name, g.factors, pd.Index(levels), parts, refs, terms, Z, blocks, covariance=covariance,
        arms=None if new.arms is None or g.arms is None else _arms(g, g.arms, new.arms[at], found),
    )  # fmt: skip


def _arms(g: Term, arms: Arms, of_row: Ints, levels: tuple[Ints, pd.Index]) -> Arms:
    """The arm of each new level; DataError where one is in several."""
    refs, labels = levels
    of_level = np.full(len(labels), -1)
    of_level[refs] = of_row
    strange = np.unique(refs[of_level[refs] != of_row])
    if len(strange):
        raise DataError(
            f"{len(strange):,} of {len(labels):,} new levels of {g.name} are in several levels of "
            f"{arms.by}, such as {listed([labels[strange[0]]])}; each is in one. Correct the rows, "
            "or give each its own label"
        )
    return replace(arms, of_level=of_level)


def _new_data(post: Posterior, every: Mapping[str, NewRows], unseen: Sequence[Moving]) -> NewData:
    """The rows beyond what the draws know: population part and effects of levels of the fit."""
    new, link = every[MU], post.family.parameter_link
    eta = {p: _known_part(post, rows, p) for p, rows in every.items()}
    levels = tuple(_unseen(post, every[p], p, g) for p, g in unseen)
    for level in levels:
        if level.mean is not None:
            own = np.stack([level.share(k) for k in range(level.count)], axis=1)  # (m, k)
            eta[level.parameter] = eta[level.parameter] + np.einsum(
                "mq,mk,kqs->ms", level.Z, own, level.mean, optimize=True
            )
    moving = {level.parameter for level in levels} - {MU}
    still = {
        p: link(p).inverse(values, np).T for p, values in eta.items() if p != MU and p not in moving
    }
    return NewData(
        post.family.reading(post.design, new.response_levels),
        responses(post.design, post.family, new),
        eta[MU],
        {**post.parameters(), **still},
        new.weights,
        new.trials,
        levels,
        new.limits,
        {p: eta[p] for p in post.design.further if p in moving},
    )


def _known_part(post: Posterior, new: NewRows, parameter: str) -> Floats:
    """(m, S) a parameter's linear predictor without the effects of new levels."""
    known = []
    for name, group in new.groups.items():
        seen = group.codes >= 0
        if seen.any():
            codes = np.where(seen, group.codes, 0)
            weights = seen.astype(float) if group.weights is None else seen * group.weights
            known.append(FactorRows(name, group.Z, codes, (), weights, group.beyond))
    rows = PredictionRows(new.X, tuple(known), new.offset, None, new.weights, new.index)
    return predictor(post, rows, 0, {}, parameter).eta(slice(None))


def _unseen(post: Posterior, new: NewRows, parameter: str, g: GroupDesign) -> Unseen:
    """The new levels `g` of one factor, in all rows."""
    group = new.groups[g.name]
    codes = np.full(group.codes.shape, -1)
    codes[group.codes < 0] = g.refs
    root = covariance_roots(post, g.name, parameter)
    if group.beyond:
        own = post.group(g.name, parameter)
        root = Extension.of(post, own, parameter, group.beyond).roots(root)
    together = post.design.formulated(parameter, g.name) if post.design.joined(g.name) else None
    mean, mixing = None, None
    if (relation := post.group(g.name, parameter).related_to) is not None:
        at = related_places(relation, g.name, [label(level) for level in g.levels])
        mean, mixing = given_related(post, relation, at, g.name, parameter)
    return Unseen(
        group.Z, codes, g.n_levels, root, parameter, together, group.weights, mean, mixing
    )
