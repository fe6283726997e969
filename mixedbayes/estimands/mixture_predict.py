"""Predictions of an average of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.table import eager
from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.estimands.mixture import (
    Member,
    Mixture,
    check_scale,
    notes_of,
    of_model,
    own_factors,
)
from mixedbayes.predict import predict as of_rows
from mixedbayes.predict.question import Groups, Kind, NewLevels, Scale, ask
from mixedbayes.predict.rows import marks, prediction_rows, unknown_levels
from mixedbayes.results.library import beside
from mixedbayes.results.tables import Description, Interval, Statistics, category_rows, labelled

_MOST = 2**25  # numbers: draws of rows that are held at a time
_OF_MEAN = ("mean", "mcse")


@overload
def predict(
    mix: Any, new: Any = None, *, groups: Groups = "auto", kind: Kind = "response",
    target: str | None = None, prob: float = 0.95, draws: Literal[False] = False,
    seed: int | None = None, progress: bool = True, new_levels: NewLevels = "draw",
    scale: Scale = "model", statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame: ...  # fmt: skip


@overload
def predict(
    mix: Any, new: Any = None, *, groups: Groups = "auto", kind: Kind = "response",
    target: str | None = None, prob: float = 0.95, draws: Literal[True], seed: int | None = None,
    progress: bool = True, new_levels: NewLevels = "draw", scale: Scale = "model",
    statistics: Statistics = None, interval: Interval = "eti",
) -> xr.DataArray: ...  # fmt: skip


@overload
def predict(
    mix: Any, new: Any = None, *, groups: Groups = "auto", kind: Kind = "response",
    target: str | None = None, prob: float = 0.95, draws: bool, seed: int | None = None,
    progress: bool = True, new_levels: NewLevels = "draw", scale: Scale = "model",
    statistics: Statistics = None, interval: Interval = "eti",
) -> pd.DataFrame | xr.DataArray: ...  # fmt: skip


def predict(
    mix: Mixture,
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
    """Predict the rows of new data by the mixture of the models.

    p(y | data) = sum_k w_k p(y | data, model k): the draws of each model's predictions in
    proportion to its weight.

    Parameters
    ----------
    mix
        The mixture.
    new
        Data frame with the columns that the models need; by default the rows of the fits.
    groups, kind, target, prob, draws, seed, progress, new_levels, scale, statistics, interval
        As in `Fit.predict`. Of a list of grouping factors each model takes those that it has.

    Returns
    -------
    Table or draws as of `Fit.predict`. The mean of a new observation is the weighted mean of the
    models' expectations; `new` names the factors of any model whose level in the row is new.

    Raises
    ------
    DataError, ModelError
        As in `Fit.predict`, with the model's name; there is no average of the models' numbers,
        such as linear predictors through different links.

    See Also
    --------
    average : Makes the average.
    predict : Of `Fit`: one model.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> slopes = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> lines = mb.fit("Reaction ~ Days + (1 | Subject)", sleep, seed=1)
    >>> both = mb.average({"lines": lines, "slopes": slopes}, [0.1, 0.9])
    >>> both.predict(sleep.iloc[[0, 9]], kind="mean")
      Reaction  Days Subject  mean    sd lower upper new
    0 249.5600     0     308 257.0 17.53 227.1 298.5
    9 466.3535     9     308 425.5 19.21 379.1 457.1

    References
    ----------
    Yao, Vehtari, Simpson & Gelman (2018), doi:10.1214/17-BA1091.
    """
    how = Description.asked(prob, statistics, interval)
    question: dict[str, Any] = {
        "groups": groups, "kind": kind, "target": target, "seed": seed, "progress": progress,
        "new_levels": new_levels, "scale": scale,
    }  # fmt: skip
    check_scale(mix, question)
    new = None if new is None else eager(new)
    if len(mix.present) == 1:
        (member,) = mix.present
        own = question | {"groups": own_factors(mix, member, groups)}
        with of_model(mix, member):
            return of_rows.predict(
                member.post, new, **own, prob=prob, draws=draws, statistics=statistics,
                interval=interval,
            )  # fmt: skip
    if draws:
        rows = mix.design.n if new is None else len(new)
        of_rows.check_size(rows, mix.shape[0] * mix.shape[1])
        return _drawn(mix, new, question)
    data = mix.columns.frame if new is None else new
    size = max(1, _MOST // (mix.shape[0] * mix.shape[1]))
    if len(data) <= size:
        table = _described(mix, new, question, how)
    else:
        spans = [slice(k, k + size) for k in range(0, len(data), size)]
        tables = [_described(mix, data[span], question, how) for span in spans]
        table = pd.concat(tables)
        table.attrs = tables[0].attrs
    if new is None:
        return table.drop(columns=of_rows.NEW, errors="ignore")
    return beside(new, table, len(table) // max(len(new), 1))


def _drawn(mix: Mixture, new: Any, question: Mapping[str, Any]) -> xr.DataArray:
    """Draws (chain, draw, obs), or (chain, draw, obs, category)."""
    found: dict[str, xr.DataArray] = {}
    for member in mix.present:
        own = {**question, "groups": own_factors(mix, member, question["groups"])}
        with of_model(mix, member):
            found[member.name] = of_rows.predict(member.post, new, draws=True, **own)
    first = next(iter(found.values()))
    coded = {str(each.attrs.get("categories")) for each in found.values()}
    if len({(each.dims, each.shape[2:]) for each in found.values()}) > 1 or len(coded) > 1:
        raise ModelError(
            "some of the models have categories and others a number, so that there is no average "
            'of their predictions; ask for one number of the response, such as target="P(y = 1)"'
        )
    stacked = {
        name: np.moveaxis(each.to_numpy().reshape(-1, *each.shape[2:]), 0, -1)
        for name, each in found.items()
    }
    draws = np.moveaxis(mix.mixed(stacked), -1, 0)
    dims = [str(d) for d in first.dims[2:]]
    coords = {d: first.coords[d].to_numpy() for d in dims}
    notes = {name: str(each.attrs.get("note", "")) for name, each in found.items()}
    out = labelled(draws, mix.shape[0], dims, coords, "prediction")
    return out.assign_attrs({**first.attrs, **notes_of(notes)})


def _described(mix: Mixture, new: Any, question: Mapping[str, Any], how: Description) -> Any:
    """The table of some rows, without their own columns."""
    drawn = _drawn(mix, new, question)
    values = drawn.to_numpy().reshape(mix.shape[0] * mix.shape[1], -1).T.astype(float)
    columns = how.plain(values, mix.shape[0])
    expected = question["kind"] == "response" and question["target"] is None
    if expected and how.needs(*_OF_MEAN):
        columns |= {n: v for n, v in _expectation(mix, new, question).items() if n in columns}
    labels = mix.design.index if new is None else _index(new)
    table = pd.DataFrame(index=labels)
    if names.CATEGORY in drawn.dims:
        table = category_rows(labels, list(drawn.coords[names.CATEGORY].to_numpy()))
    table = table.assign(**columns)
    marked = [] if new is None else [_marks(mix, m, new, question) for m in mix.present]
    if marks := [each for each in marked if each is not None]:
        table[of_rows.NEW] = np.repeat(_joined(marks), len(table) // max(len(marks[0]), 1))
    if "note" in drawn.attrs:
        table.attrs["note"] = drawn.attrs["note"]
    return table


def _expectation(mix: Mixture, new: Any, question: Mapping[str, Any]) -> dict[str, Floats]:
    """Mean of an observation, and its Monte Carlo error, from those of the models."""
    total, variance = 0.0, 0.0
    for member in mix.present:
        own = {**question, "groups": own_factors(mix, member, question["groups"])}
        found = eager(of_rows.predict(member.post, new, statistics=_OF_MEAN, **own))
        share = len(member.positions) / mix.shape[1]
        total = total + share * found["mean"].to_numpy()
        variance = variance + (share * found["mcse"].to_numpy()) ** 2
    return {"mean": np.asarray(total), "mcse": np.sqrt(variance)}


def _index(new: Any) -> pd.Index:
    return new.index if isinstance(new, pd.DataFrame) else pd.RangeIndex(len(new))


def _marks(mix: Mixture, member: Member, new: Any, question: Mapping[str, Any]) -> Any:
    """(r,) grouping factors of a model whose level in a row is new; None where it reads none."""
    design = member.post.design
    asked = ask(design, own_factors(mix, member, question["groups"]), question["kind"])
    if asked.treatment != "own" or not asked.factors:
        return None
    rows = [prediction_rows(design, new, asked, p.parameter) for p in design.predictors]
    return marks(unknown_levels(rows, {}), len(new))


def _joined(each: Sequence[Any]) -> Any:
    """The factors that any of the models names, row by row."""
    rows = (
        dict.fromkeys(", ".join(filter(None, texts)).split(", "))
        for texts in zip(*each, strict=True)
    )
    return np.array([", ".join(filter(None, row)) for row in rows], dtype=str)
