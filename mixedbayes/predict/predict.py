"""Predictions by question: what of the response, for which groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.limits import limits_note
from mixedbayes.design.original import is_transformed, original, scale_note
from mixedbayes.design.replay import totals
from mixedbayes.design.table import eager
from mixedbayes.design.types import Ints, row_labels
from mixedbayes.errors import ModelError
from mixedbayes.families.base import whole
from mixedbayes.numerics.rows import row_blocks
from mixedbayes.predict.carried import Seen, drawn_noise, given_rows
from mixedbayes.predict.each_response import categorised, of_each
from mixedbayes.predict.evaluate import (
    Answer,
    Block,
    evaluation,
    exposure_note,
    run,
    target_values,
    weight_note,
)
from mixedbayes.predict.forward import impossible
from mixedbayes.predict.linear import Known, predictor
from mixedbayes.predict.question import (
    Groups,
    Kind,
    NewLevels,
    Scale,
    ask,
    check_answer,
    check_target,
)
from mixedbayes.predict.rows import in_units, marks, prediction_rows, refuse_levels, unknown_levels
from mixedbayes.predict.streams import seed_of
from mixedbayes.predict.target import MU, Mean, OfObservation
from mixedbayes.predict.target_text import parse_target
from mixedbayes.results.library import beside
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.several import RESPONSE, without_numbers
from mixedbayes.results.tables import (
    Description,
    Interval,
    Statistics,
    category_rows,
    labelled,
    noted,
)

# Rows of a block. Random numbers belong to blocks, so another size gives other draws.
BLOCK_ROWS = 64
MOST_BYTES = 2 * 10**9  # of the draws that are handed out

OF_MEAN = ("mean", "mcse")  # of the expectation, where that of an observation is known
NEW = "new"  # of a table: grouping factors whose level in the row was not seen


@overload
def predict(
    post: Any, new: Any = None, *, groups: Groups = "auto", kind: Kind = "response",
    target: str | None = None, prob: float = 0.95, draws: Literal[False] = False,
    seed: int | None = None, progress: bool = True, new_levels: NewLevels = "draw",
    scale: Scale = "model", statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def predict(
    post: Any, new: Any = None, *, groups: Groups = "auto", kind: Kind = "response",
    target: str | None = None, prob: float = 0.95, draws: Literal[True], seed: int | None = None,
    progress: bool = True, new_levels: NewLevels = "draw", scale: Scale = "model",
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def predict(
    post: Any, new: Any = None, *, groups: Groups = "auto", kind: Kind = "response",
    target: str | None = None, prob: float = 0.95, draws: bool, seed: int | None = None,
    progress: bool = True, new_levels: NewLevels = "draw", scale: Scale = "model",
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def predict(
    post: Posterior,
    new: Any = None,
    *,
    groups: Groups = "auto",
    kind: Kind = "response",
    target: str | None = None,
    prob: float = 0.95,
    draws: bool = False,
    seed: int | None = None,
    progress: bool = True,
    new_levels: NewLevels = "draw",
    scale: Scale = "model",
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray:
    """Predict the rows of new data, with the uncertainty of all parameters.

    With h = Intercept + X fixef + offset + sum_k Z_k b_k the linear predictor, the kinds are

    - "response": a new observation, y ~ family(g^-1(h)), on the response scale. With trials it is
      the number of successes; of ordered categories the code 1, 2, ..., K, whose labels the draws
      have in `attrs["categories"]`; of counts of categories in several columns the count of each,
      in a row of the table for each row of `new` and category: as many in all as the columns of
      `new` add up to, which it has to have for that, with any numbers. With weights w a gaussian
      observation has the variance sigma^2 / w; of families whose rows count w times it is one of
      these observations, as in brms. In the table the mean is the expectation of the observation,
      without Monte Carlo error of its own, and sd and interval are those of simulated observations.
      Where residuals are correlated, under "auto" those of a group of the fit are given the ones
      of its rows there, e' ~ N(K e, R_e'e' - K R_ee'), K = R_e'e R_ee^-1, in every draw: a forecast
      starts from the last residual, and a visit that is missing lies between its neighbours. A
      visit that the group has in the fit is observed anew, whatever was observed there, and so are
      the rows of the fit. draws=True draws new rows of one group together. `new` has the columns
      of the structure; without its groups rows are of groups never seen. `attrs["note"]` says
      which of these was answered.
      Of censored responses they are what would be seen without censoring; of truncated ones they
      are between the bounds, and their mean is that of the simulated ones.
    - "mean": its expectation, on the response scale, g^-1(h) in most families, whatever residuals
      are known; of counts with
      trials the share of successes; of ordered categories the probability of each, in a row of the
      table for each row of `new` and category. A lognormal mean depends on the row's weight; of new
      data without weights it is that of weight 1, which `attrs["note"]` says. Under a link that
      does not keep it there, the mean of counts or positive numbers may be below 0 in some draws:
      the note says in how many, and "response" is refused. Of censored and truncated responses it
      is that of the distribution before either, which the coefficients describe (brms's
      posterior_epred has the mean between the bounds, here target="truncated mean").
    - "linear": h itself, on the link scale.

    Where further parameters have formulas, these are read for new rows too, wherever the answer
    depends on them, and group effects on them are treated as those on the mean.

    Parameters
    ----------
    post
        The posterior.
    new
        Data frame with the columns that the question needs, the response never among them, but for
        the total of new counts of categories; by default the rows of the fit.
    groups
        "auto": row by row, a level of the fit has its own effects, and a level that the fit has not
        seen draws its effects from the estimated population, N(0, Sigma), in every posterior draw.
        A new level within a known one, such as a new cask of a known batch, uses the known effects
        and draws its own. Rows that share a new label share its draw.
        "typical": every group effect is zero, as re.form = NA in lme4.
        "average": integrated over the population of groups. The mean is that over all groups, by
        Gauss-Hermite quadrature through the link, and for another link than the identity not the
        mean of a typical group; the linear predictor is that of a typical group; a response comes
        from a group drawn for each row by itself.
        "new": as if every row belonged to a group never seen. Rows that share a label share its
        draw; a factor whose columns `new` lacks has a new level in every row.
        A list of grouping factors: as "auto" for these; the effects of all others are zero, as with
        re.form in lme4 and re_formula in brms. Of residual="ar1(visit | g)" g is among them;
        curves of each level, "s(x, g)", are one with all their parts.
        Times of ou(), and visits of ar1() that are whole numbers, may be others than those of the
        fit: their effects follow the conditional law given the level's effects at its known times,
        in every draw (simple kriging). Of other structures a new visit is refused.
    kind
        "response", "mean" or "linear".
    target
        In the place of a kind, another number of each row: a parameter of the family, "sigma";
        "P(y > 3)", also with >=, <, <=, =, of a new observation, of categories by their labels;
        "positive mean", the mean of new observations above 0, where 0 has a probability; "median"
        or "quantile(0.9)" of a new observation. With ``groups="average"`` an observation is that of
        a group drawn at random; where residuals are correlated it is that of "response". Of
        censored and truncated responses all of these are of the
        distribution before either, as "mean" is, and `attrs["note"]` says so; after "truncated",
        as in "truncated mean" and "truncated P(y > 3)", of observations between the bounds.
    prob
        Probability of the interval.
    draws
        Return the draws instead: a DataArray (chain, draw, obs), or (chain, draw, obs, category);
        counts and codes of categories are integers, unless one is beyond 2^53.
    seed
        Of new levels and new observations; by default the fit's own, so that the same call gives
        the same answer. With one seed a new label has the same effects in every call.
    progress
        Show the progress of large predictions.
    new_levels
        Of levels that the fit has not seen, where rows use their own levels' effects: "draw" theirs
        from the population, or "error" to refuse them.
    scale
        "model": of the response as the formula has it, so that predictions of `log(y) ~ ...` are
        of log(y), which `attrs["note"]` says. "original": of its column, y: every simulated
        observation is taken back, one beyond what the transform can give (a negative sqrt(y)) as
        the end of that. A mean is then that of the column too, by quadrature over the normal
        observation in gaussian models with identity link; elsewhere that of the simulated ones,
        and kind="mean" is refused. The way back is known for one column under log, log2, log10,
        log1p, exp, expm1, sqrt, cbrt, center, scale and arithmetic with numbers.
    statistics
        Columns in the place of mean, sd, lower and upper, by name: "mean", "sd", "median", "mad",
        "prob_positive", "mcse", "ess_tail"; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    DataFrame
        One row per row of `new`, of categories one for each row and category, in the library of
        `new` (pandas, polars, pyarrow, ...) and in pandas under its row labels:

        - the columns of `new`; one that is called as one of those below, such as `mean`, has
          `_value` added to its name. Of the rows of the fit there are none of the data's;
        - category: of probabilities of categories, and counts of them, which one;
        - mean, sd: posterior mean and standard deviation of what was asked for;
        - lower, upper: ends of the interval of probability `prob`;
        - new: the grouping factors whose level in this row the fit has not seen, empty where it
          knows them all; where rows use their own levels' effects.

        Angles are described about their mean direction: an end of the interval can be beyond pi.
        `attrs["note"]` says what the numbers are of where that is not plain.

    Raises
    ------
    DataError
        The new data lack a column, or one is of another type, has missing values or an unknown
        category; each is named. A new observation needs trials, or weights of residual variance,
        that the new data lack. There are levels that the fit has not seen, with
        ``new_levels="error"``.
    ModelError
        `groups`, `kind`, `prob`, `seed`, `new_levels`, `scale`, `statistics` or `interval` is not
        understood, a category is asked for other than by draws, or there is no
        way back to the original scale; the mean of a new observation is impossible in some draws;
        rows have levels of the fit of which
        only summaries were kept; draws would take more than 2 GB; the average does not exist (the
        inverse link; lognormal responses with group effects on sigma).

    See Also
    --------
    grid : Rows to predict.
    fitted : Of the rows of the fit, without Monte Carlo.
    means : Averages of predictions over rows, and comparisons and slopes of them.
    condition_on : Of a new group some of whose rows are known.
    plot_predictions : The picture.
    posterior_predictive : Replicates of the data, for checks.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> import pandas as pd
    >>> new = pd.DataFrame({"Days": [0, 9, 9], "Subject": ["308", "308", "somebody new"]})
    >>> fit.predict(new)
       Days       Subject  mean    sd lower upper      new
    0     0           308 253.2 29.15 195.0 309.0
    1     9           308 429.9 29.65 370.4 490.5
    2     9  somebody new 345.2 67.32 213.4 477.6  Subject

    The last row is of a subject that the fit has not seen, and so less certain. Expected values of
    a typical subject:

    >>> fit.predict(new[["Days"]].head(2), groups="typical", kind="mean")
       Days  mean    sd lower upper
    0     0 251.4 8.234 235.7 267.3
    1     9 345.2 14.45 316.5 372.8

    The probability of a reaction above 400 ms:

    >>> fit.predict(new.iloc[[1]], target="P(Reaction > 400)")
       Days Subject   mean     sd  lower  upper new
    1     9     308 0.8450 0.1241 0.5202 0.9877
    """
    how: dict[str, Any] = {
        "groups": groups, "kind": kind, "target": target, "prob": prob, "draws": draws,
        "seed": seed, "progress": progress, "new_levels": new_levels, "scale": scale,
        "statistics": statistics, "interval": interval,
    }  # fmt: skip
    if kind == "mean" and target is None and categorised(post):
        new = None if new is None else eager(new)
        rows = None if new is None else len(new)
        return of_each(post, predict, {"new": new, **how}, rows=rows)
    unordered = without_numbers(post)
    if unordered and kind == "response" and target is None and not draws:
        raise ModelError(
            f"a new {unordered[0]} is a category, which has no mean, sd or interval: ask for the "
            'probability of each, kind="mean", for simulated ones, draws=True, or for another '
            "response by itself, fit.response(...).predict()"
        )
    found = predict_given(post, new, {}, **how)
    if new is None and post.design.standing is not None:
        said = (found.attrs.get("note", ""), post.design.standing.note)
        return noted(found, " ".join(filter(None, said)))
    return found


def predict_given(
    post: Posterior,
    new: Any,
    known: Mapping[str, Mapping[str, Known]],
    *,
    groups: Groups,
    kind: Kind,
    target: str | None,
    prob: float,
    draws: bool,
    seed: int | None,
    progress: bool,
    new_levels: NewLevels,
    scale: Scale,
    statistics: Statistics,
    interval: Interval,
    seen: Seen | None = None,
    before: int = 0,
) -> Any:
    """`predict`, where the effects of some levels beyond the fit's are known by draws.

    `known` has them by the parameter that they are on, and by grouping factor. `seen` are rows
    whose residuals are known, by default those of the fit. `before` blocks of rows have their
    random numbers from earlier calls.
    """
    how = Description.asked(prob, statistics, interval)
    check_answer(kind, new_levels, scale)
    if target is not None:
        check_target(kind, scale)
        kind = "mean"
    counted = post.family.columns and kind == "response"
    if post.family.unordered and kind == "response" and not (draws or counted):
        raise ModelError(
            f"a new {post.design.response} is a category, which has no mean, sd or interval: ask "
            'for the probability of each, kind="mean", or for simulated ones, draws=True'
        )
    question = ask(post.design, groups, kind)
    number = seed_of(post, seed)
    undone = scale == "original" and is_transformed(post.design)
    way = original(post.design) if undone else None
    new = None if new is None else eager(new)
    rows = prediction_rows(post.design, new, question)
    if counted:
        rows = replace(rows, trials=_totals(post, new))
    alike = kind == "response" or question.treatment != "integrated"
    if post.design.several is not None and draws and alike:
        rows = in_units(rows, _units(post, rows.n, new))
    what = None if kind == "response" else parse_target(target or kind, post.design, post.family)
    each = isinstance(what, Mean)
    of_response = way is None and (each or kind == "response")
    categories = post.family.categories(post.design) if each or counted else None
    width = 1 if categories is None else len(categories)
    if draws:
        check_size(rows.n * width, post.n_draws)
    reads = post.family.parameters if what is None or way is not None else what.reads(post.family)
    others = {
        p: prediction_rows(post.design, new, question, p) for p in post.design.further if p in reads
    }
    own = question.treatment == "own"
    known_labels = {name: k.levels for factors in known.values() for name, k in factors.items()}
    strange = unknown_levels([rows, *others.values()], known_labels) if own else {}
    if new_levels == "error":
        refuse_levels(post.design, strange)
    linear, *rest = (
        predictor(post, read, number, known.get(p, {}) if own else {}, p)
        for p, read in ({MU: rows} | others).items()
    )
    predictors = dict(zip(others, rest, strict=True))
    evaluate: Callable[[Block], Answer]
    given, carried = None, ""
    if what is None or isinstance(what, OfObservation):
        given, carried = given_rows(post, new, question, seen, draws=draws and what is None)
    if what is None or way is not None:
        noise = drawn_noise(post, new, given, number) if draws and kind == "response" else None
        evaluate = evaluation(post, rows, question, linear, number, predictors, way, noise, given)
    else:
        every = {MU: linear, **predictors}
        values = target_values(post, rows, question, what, every, number, given)
        evaluate = lambda block: Answer(values(block))  # noqa: E731
    index, blocks = rows.index, list(enumerate(row_blocks(rows.n, _block_rows(post)), before))
    out = np.empty((post.n_draws if draws else len(how.columns), rows.n * width))
    below = np.zeros(rows.n, bool)  # rows with an impossible mean
    bad: list[NDArray[np.bool_]] = []  # which draws have one, by block

    def work(block: Block) -> None:
        answer = evaluate(block)
        values = answer.draws.reshape(-1, post.n_draws)
        if each and way is None and post.family.positive:
            low = values < 0
            below[block[1]] = low.any(axis=1)
            bad.append(low.any(axis=0))
        at = slice(block[1].start * width, block[1].stop * width)
        if draws:
            out[:, at] = values.T
            return
        described = how.plain(post.family.unwound(values) if of_response else values, post.shape[0])
        if answer.mean is not None and how.needs(*OF_MEAN):
            own = replace(how, columns=tuple(c for c in how.columns if c in OF_MEAN))
            mean = post.family.unwound(answer.mean().reshape(-1, post.n_draws), about=values)
            described |= own.plain(mean, post.shape[0])
        out[:, at] = list(described.values())

    run(blocks, work, post.n_draws, shown=progress)
    draws_below = np.any(bad, axis=0) if bad else np.zeros(post.n_draws, bool)
    between = kind == "response" if what is None else what.between
    exposed = exposure_note(post.design) if way is None else ""
    notes = [exposed, limits_note(post.design, between)]
    notes = notes if what is None or what.of_response else []
    if what is None or each:
        notes = [
            scale_note(post.design, way),
            weight_note(post, rows, question),
            *notes,
            impossible(post.family, draws_below, below),
        ]
    notes.append(carried)
    note = " ".join(filter(None, notes))
    if draws:
        counts = kind == "response" and way is None and post.family.discrete
        labels = post.design.labels if new is None else row_labels(index)
        drawn: Any = whole(out) if counts else out
        if post.design.several is None or new is None:
            found = _labelled(drawn, post.shape[0], labels, categories)
        else:
            each_of = post.design.several.names
            frame_rows = row_labels(index[:: len(each_of)])
            found = _labelled(drawn, post.shape[0], frame_rows, each_of, RESPONSE)
        coded = kind == "response" and categories is None and post.family.categories(post.design)
        said = {"categories": [str(c) for c in coded]} if coded else {}
        return found.assign_attrs(said | ({"note": note} if note else {}))
    table = pd.DataFrame(index=index) if categories is None else category_rows(index, categories)
    table = table.assign(**dict(zip(how.columns, out, strict=True)))
    if new is not None and own and question.factors:
        table[NEW] = marks(strange, rows.n).repeat(width)
    if post.design.several is not None:
        width, places = _responses(post, rows.n, new)
        table.insert(0, RESPONSE, np.array(post.design.several.names, object)[places])
    if note:
        table.attrs["note"] = note
    return table if new is None else beside(new, table, width)


def _totals(post: Posterior, new: Any) -> Ints | None:
    """(m,) how many responses of all categories the rows have."""
    return post.family.totals(post.design) if new is None else totals(post.design, new)


def _block_rows(post: Posterior) -> int:
    """Rows of a block, in which each row's responses are together."""
    count = 1 if post.design.several is None else len(post.design.several.names)
    return count * max(BLOCK_ROWS // count, 1)


def _responses(post: Posterior, n: int, new: Any) -> tuple[int, Ints]:
    """How many responses a row of `new` has, and (n,) which each row is."""
    every = post.design.several
    assert every is not None
    if new is None:
        return 1, every.places
    return len(every.names), np.arange(n) % len(every.names)


def _units(post: Posterior, n: int, new: Any) -> Ints:
    """(n,) which row of the frame each row is of."""
    every = post.design.several
    assert every is not None
    return every.units if new is None else np.arange(n) // len(every.names)


def _labelled(
    draws: NDArray[Any],
    chains: int,
    labels: NDArray[Any],
    categories: Sequence[Any] | None,
    dimension: str = names.CATEGORY,
) -> xr.DataArray:
    coords: dict[str, Any] = {names.OBS: labels}
    if categories is not None:
        coords[dimension] = np.asarray(categories, object)
        draws = draws.reshape(len(draws), len(labels), len(categories))
    return labelled(draws, chains, list(coords), coords, "prediction")


def check_size(rows: int, draws: int) -> None:
    size = 8 * rows * draws
    if size > MOST_BYTES:
        raise ModelError(
            f"{rows:,} rows x {draws:,} draws would take {size / 1e9:,.1f} GB, more than "
            f"{MOST_BYTES / 1e9:.0f} GB; ask for fewer rows at a time, or for the table with "
            "draws=False, which is made in small blocks of rows"
        )
