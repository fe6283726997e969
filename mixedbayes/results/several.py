"""One of several responses by itself: its marginal model, and the draws that belong to it.

Of normal responses with correlated residuals and effects each by itself is a model of one response,
whose coefficients, sds, correlations, effects and sigma are among those of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design import several, several_terms
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor
from mixedbayes.errors import ModelError
from mixedbayes.model.responses import spec_of
from mixedbayes.results.posterior import Posterior
from mixedbayes.sample.labels import by_name
from mixedbayes.sample.tree import data_groups

RESPONSE = names.RESPONSE  # column of tables of several responses


def need_several(design: Design) -> None:
    """ModelError unless there are several responses."""
    if design.several is None:
        raise ModelError(
            f"the model has one response, {design.response}: what is asked of one of several, "
            "mv(a, b) ~ ..., is asked of the fit itself"
        )


def of_response(post: Posterior, name: str) -> Posterior:
    """The marginal model of one response, with its draws.

    Raises
    ------
    ModelError
        There is one response, or none of this name; the message has the names.
    """
    need_several(post.design)
    assert post.design.several is not None
    known = post.design.several.names
    if name not in known:
        raise ModelError(f"{name!r} is not a response of this model; it has {', '.join(known)}")
    if len(post.data_sets) > 1:
        raise ModelError(
            f"{name} by itself is not offered where draws of several data sets are pooled: ask "
            "each data set's own fit"
        )
    return post.once(("response", name), lambda: _made(post, known.index(name)))


def each(post: Posterior) -> dict[str, Posterior]:
    """The marginal model of every response, by its name."""
    assert post.design.several is not None
    return {name: of_response(post, name) for name in post.design.several.names}


def one_below_the_other(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One table of each response's, with a first column that says which."""
    found = [t.copy() for t in tables.values()]
    for name, table in zip(tables, found, strict=True):
        table.insert(0, RESPONSE, pd.Series([name] * len(table), index=table.index, dtype="str"))
    whole = pd.concat(found)
    if all(t.index.equals(pd.RangeIndex(len(t))) for t in found) and not found[0].index.name:
        whole = whole.reset_index(drop=True)
    whole.attrs = dict(found[0].attrs)
    return whole


def by_response(
    table: Callable[..., pd.DataFrame],
    post: Posterior,
    how: Mapping[str, Any],
    *,
    grouped: bool = False,
) -> pd.DataFrame:
    """A table of shares of variance; of each response where there are several.

    `grouped`: of those that have group effects. Empty where none has them, and shares.
    """
    if post.design.several is None:
        return table(post, **how)
    found = {
        name: table(own, **how)
        for name, own in each(post).items()
        if (own.design.mu.factors or not grouped) and not own.family.no_latent_variance
    }
    return one_below_the_other(found) if found else pd.DataFrame(columns=["group", "kind"])


def without_numbers(post: Posterior) -> list[str]:
    """The responses of several that are categories without an order."""
    names_of = () if post.design.several is None else post.design.several.names
    return [name for k, name in enumerate(names_of) if post.family.of_response(k).unordered]


def without_shares(post: Posterior) -> dict[str, str]:
    """The responses of several that have no shares of variance, and why."""
    names_of = () if post.design.several is None else post.design.several.names
    why = {name: post.family.of_response(k).no_latent_variance for k, name in enumerate(names_of)}
    return {name: said for name, said in why.items() if said}


def response_label(row: pd.Series) -> str:
    """Whose a row of such a table is, where there are several responses."""
    return f", {row[RESPONSE]}" if RESPONSE in row else ""


def residual_label(row: pd.Series, what: str) -> str:
    """What a number of the residual is, by the row of `varcorr`; `what` is sigma."""
    if pd.isna(row["term"]):
        return f"{what}  {names.SIGMA}"
    if pd.isna(row["term2"]):
        return f"{what}  {row['term']}"
    return f"{row['kind']:<3} {row['term']}, {row['term2']}"


def rows_per_effect(design: Design, g: GroupDesign, parameter: str) -> NDArray[np.integer] | None:
    """(J, q) how many rows of the response that an effect is on each level has; None of one."""
    if design.several is None:
        return None
    found = [
        np.repeat(own.rows_per_level[:, None], len(own.terms), axis=1)
        for name, part in zip(design.several.names, design.parts, strict=True)
        if part.has(parameter)
        for own in part.predictor(parameter).groups
        if several_terms.called(name, own) == g.name
    ]
    return np.concatenate(found, axis=1)


def _made(post: Posterior, k: int) -> Posterior:
    every, part = post.design.several, post.design.parts[k]
    assert every is not None
    spec = spec_of(post.spec, k)
    draws: dict[str, Floats] = {}
    for predictor in part.predictors:
        draws |= _population(post, every.names[k], predictor)
        for g in predictor.groups:
            joined = part.joined(g.name) is not None
            draws |= _effects(post, every.names[k], g, predictor.parameter, joined=joined)
    for p in every.parameters[k]:
        if not part.has(p):
            at = post.predictor(p).terms.index(every.names[k])
            link = spec.family.parameter_link(p)
            draws[p] = np.asarray(link.inverse(post.fixef(p)[:, at], np))
    if every.vectors and every.vectors[k]:
        draws[str(spec.family.thresholds)] = post.stacked(every.vectors[k])
    for a in part.across:
        whole = post.design.joined(a.name)
        assert whole is not None
        own = [whole.places[p].start + _own(post, every.names[k], g, p) for p, g in a.members]
        places = np.concatenate(own)
        draws[names.cor(a.name)] = post.stacked(names.cor(a.name))[:, places][:, :, places]
    kept = post.idata["posterior"].to_dataset().attrs
    tree = {"posterior": by_name(spec, draws, post.shape).assign_attrs(kept)}
    if "sample_stats" in post.idata.children:
        tree["sample_stats"] = post.sample_stats()
    found = xr.DataTree.from_dict(tree | data_groups(spec))
    found.attrs = dict(post.idata.attrs)
    return Posterior(spec, found, post.run)


def _own(post: Posterior, name: str, g: GroupDesign, parameter: str) -> NDArray[np.intp]:
    """(q,) where the effects of a response's term are among those of the term of all."""
    whole = post.group(several_terms.called(name, g), parameter).terms
    own = (names.label(name, t) if several_terms.shared(g) else t for t in g.terms)
    return np.array([whole.index(t) for t in own])


def _effects(
    post: Posterior, name: str, g: GroupDesign, parameter: str, *, joined: bool
) -> dict[str, Floats]:
    """Draws of a term of one response; correlations where they are its own."""
    of, at = several_terms.called(name, g), _own(post, name, g, parameter)
    found = {names.sd(g.name, parameter): g.told_sd(post.sd(of, parameter)[:, at])}
    if g.correlated and not joined:
        cor = post.cor(of, parameter)[:, at][:, :, at]
        found[names.cor(g.name, parameter)] = g.told_cor(cor)
    for n in g.law.estimated:
        found[names.law(n, g.name, parameter)] = post.stacked(names.law(n, of, parameter))
    if post.has_ranef(of, parameter):
        found[names.ranef(g.name, parameter)] = post.ranef(of, parameter)[..., at]
    return found


def _population(post: Posterior, name: str, p: LinearPredictor) -> dict[str, Floats]:
    own, every = p.parameter, post.fixef(p.parameter)
    terms = post.predictor(own).terms
    at = [terms.index(label) for label in several.labels(name, p)]
    found: dict[str, Floats] = {}
    if p.intercept:
        found[names.intercept(own)] = every[:, at[0]]
    if p.terms:
        found[names.fixef(own)] = every[:, at[int(p.intercept) :]]
    return found
