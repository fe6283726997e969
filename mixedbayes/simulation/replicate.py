"""New responses for the rows of a model, from its priors or from its posterior."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor, Responses
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.formula import parse_expression
from mixedbayes.formula.nodes import Name
from mixedbayes.model.spec import Spec
from mixedbayes.predict.prior import prior_predictive
from mixedbayes.predict.streams import checked_seed, named_stream
from mixedbayes.results.posterior import Posterior
from mixedbayes.simulation.parameters import Coefficients, Parameters, redrawn
from mixedbayes.simulation.simulate import respond, response_column
from mixedbayes.simulation.truth import ATTRS, as_truth


def simulate_from_prior(spec: Spec, seed: int | None = None) -> pd.DataFrame:
    """The model's rows with a response drawn from the priors alone.

    Parameters
    ----------
    spec
        Of the model.
    seed
        Of the draw.

    Returns
    -------
    DataFrame
        The rows that the model uses, with its columns and a new response; `truth` (frame) has the
        parameters that were drawn. Responses are not censored, and a column that says how the
        data's are says so; truncated ones are between their bounds. Counts of categories, `cbind(a,
        b, c)`, are in their columns, with the total of the data's row; so are several responses,
        `mv(a, b)`, where the data have them, unless some are such counts.

    Raises
    ------
    PriorError
        If a prior is improper.
    DataError
        If the response is an expression.
    ModelError
        If one of several responses is counts in several columns.

    See Also
    --------
    truth : The values behind the data.
    prior_predictive : Many draws, as arrays.
    simulate : Data from values of your own.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", sleep)
    >>> made = model.simulate(seed=1)
    >>> made.shape
    (180, 3)
    >>> sorted(mb.truth(made).sd)
    ['Subject']
    """
    _check(spec.design, spec.family)
    seed = checked_seed(seed)
    tree = prior_predictive(spec, 1, seed)
    values = _one(Posterior(spec, _as_posterior(tree)), 0)
    y = respond(spec.design, spec.family, values, named_stream(seed, "response"))
    return _frame(spec.design, spec.family, values, y, seed)


def simulate_from_posterior(
    post: Posterior,
    *,
    groups: Literal["new", "own"] = "new",
    seed: int | None = None,
) -> pd.DataFrame:
    """The model's rows with a response drawn at one draw of the posterior.

    Parameters
    ----------
    post
        The posterior.
    groups
        "new": the group effects are drawn from their estimated distribution; "own": they are
        those of the posterior draw. Smooths are its own in both.
    seed
        Chooses the posterior draw, and draws effects and response.

    Returns
    -------
    DataFrame
        The rows that the model uses, with its columns and a new response; `truth` (frame) has the
        values of the posterior draw. Responses are not censored, and a column that says how the
        data's are says so; truncated ones are between their bounds. Counts of categories, `cbind(a,
        b, c)`, are in their columns, with the total of the data's row; so are several responses,
        `mv(a, b)`, where the data have them, unless some are such counts.

    Raises
    ------
    DataError
        If the response is an expression.
    ModelError
        If `groups` is neither; if only summaries of the group effects were kept and they are
        needed; if one of several responses is counts in several columns.

    See Also
    --------
    truth : The values behind the data.
    study : Power and calibration by many such data sets.
    posterior_predictive : Replicates at all draws, as an array.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> again = fit.simulate(seed=1)
    >>> again.head(3)
         Reaction  Days Subject
    0  252.594445     0     308
    1  273.068151     1     308
    2  279.414610     2     308
    >>> mb.truth(again).fixef.round(1)
    Intercept    238.4
    Days           9.3
    dtype: float64
    """
    _check(post.design, post.family)
    if groups not in ("new", "own"):
        raise ModelError(f'groups must be "new" or "own", got {groups!r}')
    seed = checked_seed(seed)
    at = int(named_stream(seed, "posterior draw").integers(post.n_draws))
    values = _one(post, at, seed if groups == "new" else None)
    y = respond(post.design, post.family, values, named_stream(seed, "response"))
    return _frame(post.design, post.family, values, y, seed)


def _check(design: Design, family: Family) -> None:
    if design.several is not None:
        for k, name in enumerate(design.several.names):
            if family.of_response(k).columns:
                raise ModelError(
                    f"simulate() has one number of each response in a row, and {name} is counts in "
                    f"several columns: ask for it by itself, fit.response({name!r}).simulate(...), "
                    "or make a model without it"
                )
    elif not family.columns:
        response_column(design.formula, "simulate()")


def _as_posterior(tree: Any) -> Any:
    import xarray as xr

    return xr.DataTree.from_dict({"posterior": tree["prior"].to_dataset()})


def _one(post: Posterior, at: int, seed: int | None = None) -> Parameters:
    """One draw of all parameters; with a seed the group effects are drawn anew."""
    design = post.design
    predictors = {p.parameter: _coefficients(post, p, at, seed is None) for p in design.predictors}
    own = {name: np.asarray(value[at]) for name, value in post.parameters().items()}
    across = {a.name: post.stacked(names.cor(a.name))[at] for a in design.across}
    symbols = () if design.residual is None else design.residual.symbols
    residual = {symbol: post.stacked(symbol)[at] for symbol in symbols}
    values = Parameters(predictors, own, across, residual)
    return values if seed is None else redrawn(_with_laws(post, at), values, seed)


def _with_laws(post: Posterior, at: int) -> Design:
    """The design, with the numbers of laws that one draw has."""

    def of(p: LinearPredictor) -> LinearPredictor:
        return replace(p, groups=tuple(law(p, g) for g in p.groups))

    def law(p: LinearPredictor, g: GroupDesign) -> GroupDesign:
        numbers = {
            n: float(post.stacked(names.law(n, g.name, p.parameter))[at]) for n in g.law.estimated
        }
        return replace(g, law=g.law.at(numbers)) if numbers else g

    return post.design.each(of)


def _coefficients(post: Posterior, of: LinearPredictor, at: int, effects: bool) -> Coefficients:
    """One draw of all that a predictor is made of, of the group effects only where asked for.

    Smooths belong to the population.
    """
    p = of.parameter
    return Coefficients(
        float(post.intercept(p)[at]),
        post.fixef(p)[at],
        {g.name: post.sd(g.name, p)[at] for g in of.groups},
        {g.name: post.cor(g.name, p)[at] for g in of.groups if post.design.joined(g.name) is None},
        {g.name: post.ranef(g.name, p)[at] for g in of.groups if effects or not g.grouping},
    )


def _frame(design: Design, family: Family, values: Parameters, y: Any, seed: int) -> pd.DataFrame:
    """The used rows of the data with the new response, in the type of the old one."""
    if design.several is not None:
        out = design.whole.iloc[design.several.rows].assign(
            **_of_several(design.several, family, y)
        )
    else:
        out = design.frame.assign(**response_columns(design, family, y), **_known(design))
    out.attrs = {**out.attrs, ATTRS: as_truth(design, family, values, seed).to_attrs()}
    return out


def _of_several(every: Responses, family: Family, y: Floats) -> dict[str, Any]:
    """A column for each of several responses; missing where the data's is."""
    found: dict[str, Any] = {}
    for k, (name, part) in enumerate(zip(every.names, every.parts, strict=True)):
        own, at = family.of_response(k), every.at(k)
        codes = own.reported(y[at] - own.first_code) - own.first_code
        values = pd.Series(_typed(part, own, codes), every.units[at])
        found[name] = values.reindex(np.arange(every.m)).array
    return found


def response_columns(design: Design, family: Family, y: Any) -> dict[str, Any]:
    """The response in the column of its own, or counts in one for each category."""
    if not family.columns:
        return {response_column(design.formula, "simulating"): _typed(design, family, y)}
    return dict(zip(map(str, family.categories(design) or ()), np.transpose(y), strict=True))


def reported_columns(design: Design, family: Family, y: Any) -> dict[str, Any]:
    """The same of responses as draws have them, `Family.reported`; of several (n, responses)."""
    every = design.several
    if every is None:
        return response_columns(design, family, y - family.first_code)
    found: dict[str, Any] = {}
    for k, (name, part) in enumerate(zip(every.names, every.parts, strict=True)):
        own = family.of_response(k)
        found[name] = _typed(part, own, y[:, k] - own.first_code)
    return found


def _known(design: Design) -> dict[str, Any]:
    """The column that says how responses are censored, with none of them: all are simulated whole.

    Empty where it is an expression, of the response perhaps.
    """
    texts = design.formula.response.cens
    node = parse_expression(texts[0]) if texts else None
    if not isinstance(node, Name) or node.name not in design.frame:
        return {}
    column = design.frame[node.name]
    if isinstance(column.dtype, pd.CategoricalDtype):
        known = column.cat.categories
        if not {"none", 0}.intersection(known):
            column = column.cat.add_categories(["none"])
        value: Any = "none" if "none" in column.cat.categories else 0
        return {node.name: pd.Categorical([value] * len(column), dtype=column.dtype)}
    text = not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))
    return {node.name: "none" if text else np.zeros(len(column), column.dtype)}


def _typed(design: Design, family: Family, y: Any) -> Any:
    levels = design.response_levels
    if levels is None:
        return y
    codes = np.asarray(y, np.int64)
    if all(isinstance(level, bool | int | np.integer) for level in levels):
        return np.asarray(levels)[codes]
    ordered = len(levels) > 2
    return pd.Categorical.from_codes(codes, categories=list(levels), ordered=ordered)
