"""An average of models: predictions, means, comparisons and slopes of the mixture."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Concatenate

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.table import eager
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands import means as of_one
from mixedbayes.estimands.ask import expanded, names_of
from mixedbayes.estimands.grid import Among, Columns
from mixedbayes.estimands.result import Estimates
from mixedbayes.predict import predict as of_rows
from mixedbayes.predict.question import Groups, Kind, NewLevels, Scale, ask
from mixedbayes.predict.rows import marks, prediction_rows, unknown_levels
from mixedbayes.predict.target import OfParameter, parse_target
from mixedbayes.results.library import beside
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Description, Interval, Statistics, category_rows, labelled


@dataclass(frozen=True, eq=False)
class Member:
    """A model, and the draws that it supplies.

    positions
        (n,) which draws of every chain of the mixture are its own.
    """

    name: str
    weight: float
    post: Among  # of these draws alone
    positions: Ints


@dataclass(frozen=True, eq=False)
class Mixture:
    """Models of the same rows with weights, and for every position of a chain the one that has it.

    All chains have the same length, that of the shortest chains among the models; at each position
    the draws of all quantities are of one model, so that differences between quantities are always
    differences within a model.
    """

    members: tuple[Member, ...]
    shape: tuple[int, int]

    @classmethod
    def of(cls, posts: Mapping[str, Posterior], weights: Mapping[str, float]) -> Mixture:
        """The mixture of models by weights that sum to 1.

        Raises
        ------
        ModelError
            A column that two models read differs between their data.
        """
        designs = [post.design for post in posts.values()]
        _same_columns(dict(zip(posts, designs, strict=True)))
        columns = Columns(*designs)
        shapes = [post.shape for post in posts.values()]
        chains, draws = (min(sizes) for sizes in zip(*shapes, strict=True))
        turn = turns(np.array([weights[name] for name in posts]), draws)
        members = []
        for k, (name, post) in enumerate(posts.items()):
            at = np.flatnonzero(turn == k)
            own = Among(post.spec, _taken(post.idata, chains, at), post.run, columns)
            members.append(Member(name, weights[name], own, at))
        return cls(tuple(members), (chains, draws))

    @property
    def present(self) -> tuple[Member, ...]:
        """The models that supply draws."""
        return tuple(member for member in self.members if len(member.positions))

    @property
    def design(self) -> Design:
        return self.members[0].post.design

    @property
    def columns(self) -> Columns:
        """Those that any of the models reads."""
        return self.members[0].post.columns or Columns(self.design)

    @property
    def words(self) -> str:
        """The models and their weights."""
        return _and([f"{m.name} (weight {m.weight:.2g})" for m in self.members])

    def mixed(self, draws: Mapping[str, Floats]) -> Floats:
        """(..., S) draws of the mixture from those (..., S_m) of its models, by name."""
        chains, n = self.shape
        first = next(iter(draws.values()))
        kind = np.result_type(*draws.values())
        out = np.empty((*first.shape[:-1], chains, n), kind)
        for member in self.present:
            found = draws[member.name]
            out[..., member.positions] = found.reshape(*found.shape[:-1], chains, -1)
        return out.reshape(*first.shape[:-1], chains * n)


def turns(weights: Floats, n: int) -> Ints:
    """Which model supplies position 0, 1, ..., n - 1, by weights that sum to 1.

    After any number t of positions each model has had w t of them but for less than 1, so that
    shares are the weights to 1/n, and every stretch of a chain is a mixture: of the models that
    are due, the one that has to come soonest (Tijdeman 1980, doi:10.1016/0012-365X(80)90269-1).
    """
    weights = weights / weights.sum()
    several = max(int(np.sum(weights > 0)), 2)
    slack = 1 / (2 * several - 2)
    had = np.zeros(len(weights))
    out = np.empty(n, np.int64)
    with np.errstate(divide="ignore"):
        for t in range(n):
            owed = weights * (t + 1) - had
            due = np.where(owed >= slack - 1e-9, (1 - slack - owed) / weights, np.inf)
            due[weights == 0] = np.inf
            out[t] = np.argmin(due)
            had[out[t]] += 1
    return out


def _and(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _taken(idata: xr.DataTree, chains: int, at: Ints) -> xr.DataTree:
    """Some draws of the first chains."""
    posterior = idata["posterior"].to_dataset()
    own = posterior.isel({names.CHAIN: slice(chains), names.DRAW: at})
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=idata.attrs), "posterior": own})


def _same_columns(designs: Mapping[str, Design]) -> None:
    """ModelError where a column's values differ between the data of two models."""
    known: dict[str, tuple[str, pd.Series]] = {}
    for model, design in designs.items():
        for name in design.frame:
            other, values = known.setdefault(str(name), (model, design.frame[name]))
            a, b = (column.astype(object).to_numpy() for column in (values, design.frame[name]))
            differ = (a != b) & ~(pd.isna(a) & pd.isna(b))
            if differ.any():
                raise ModelError(
                    f"{other!r} and {model!r} cannot be averaged: the column {name} differs "
                    f"between their data in {int(differ.sum()):,} of {len(a):,} rows, so that a "
                    "question about it would mean two things; fit both to the same data frame"
                )


# ---- means, comparisons, slopes ------------------------------------------------------------------


_NOTE = """\
Of an average of models: each model answers the question for itself, comparisons and whatever else
is taken of its answers within it, and the draws are mixed in proportion to the weights. A column
that a model does not read changes nothing in it: the means at all values of it are equal there, and
comparisons and slopes of it are none. Grouping factors are those that each model has."""


def _mixed[**P](
    stage: Callable[Concatenate[Posterior, P], Estimates],
) -> Callable[Concatenate[Mixture, P], Estimates]:
    """A question about a posterior as one about a mixture, with its words."""
    own = inspect.signature(stage)
    one: Callable[..., Estimates] = stage

    @wraps(stage)
    def call(mix: Mixture, /, *args: P.args, **kwargs: P.kwargs) -> Estimates:
        given = own.bind(mix, *args, **kwargs).arguments
        given.pop("post")
        _check_scale(mix, given)
        found = {}
        for member in mix.present:
            with _named(mix, member):
                found[member.name] = one(member.post, **_about(mix, member, given))
        return _together(mix, found)

    first, *others = own.parameters.values()
    call.__signature__ = own.replace(parameters=[first.replace(name="mix"), *others])  # type: ignore[attr-defined]
    call.__doc__ = _worded(stage)
    return call


def _worded(stage: Callable[..., Any]) -> str:
    """A docstring about a mixture: the note stands after the first line."""
    start, _, rest = (inspect.getdoc(stage) or "").partition("\n\n")
    rest = rest.replace("post\n    The posterior.", "mix\n    The mixture.")
    return f"{start}\n\n{_NOTE}\n\n{rest}"


def _about(mix: Mixture, member: Member, given: Mapping[str, Any]) -> dict[str, Any]:
    """The question to one model: of a list of factors those that it has."""
    asked = dict(given)
    groups = asked.get("groups")
    if not isinstance(groups, Sequence) or isinstance(groups, str):
        return asked
    asked["groups"] = _own_factors(mix, member, groups)
    focal = asked.get("focal")
    focal = list(focal) if isinstance(focal, Mapping) else names_of(focal, "focal")
    columns = member.post.columns or Columns(member.post.design)
    by = names_of(asked.get("by"), "by")
    known = [name for name in groups if name in columns.groups]
    more = [c for c in expanded(columns, known) if c not in (*by, *focal)]
    asked["by"] = [*by, *more]
    return asked


def _own_factors(mix: Mixture, member: Member, groups: Any) -> Any:
    """Of a list of grouping factors those of this model, and those that no model has."""
    if not isinstance(groups, Sequence) or isinstance(groups, str):
        return groups

    def has(model: Member) -> set[str]:
        return {g.name for p in model.post.design.predictors for g in p.groups}

    every = {name for model in mix.members for name in has(model)}
    return [g for g in groups if g in has(member) or g not in every]


def _check_scale(mix: Mixture, given: Mapping[str, Any]) -> None:
    """ModelError for what is no number of the response, where the models mean different things."""
    families = {m.name: m.post.family for m in mix.present}
    links = {family.link.name for family in families.values()}
    if given.get("kind") == "linear" and len(links) > 1:
        raise ModelError(
            f"linear predictors through different links, {' and '.join(sorted(links))}, have no "
            'average; ask for kind="mean"'
        )
    target, kinds = given.get("target"), {family.name for family in families.values()}
    if isinstance(target, str) and len(kinds) > 1:
        member = mix.present[0]
        with _named(mix, member):
            what = parse_target(target, member.post.design, member.post.family)
        if isinstance(what, OfParameter):
            raise ModelError(
                f"{target} is a parameter of the family, and the families "
                f"{' and '.join(sorted(kinds))} differ in what it is; ask for something of the "
                'response, such as target="quantile(0.9)"'
            )


@contextmanager
def _named(mix: Mixture, member: Member) -> Iterator[None]:
    """Errors of one model say which it is."""
    try:
        yield
    except (DataError, ModelError) as error:
        if len(mix.members) == 1:
            raise
        raise type(error)(f"in the model {member.name!r}: {error}") from error


def _together(mix: Mixture, found: Mapping[str, Estimates]) -> Estimates:
    (one, first), *others = found.items()
    for other, next_one in others:
        if not _same_rows(first.grid, next_one.grid):
            raise ModelError(
                f"{one!r} and {other!r} answer this in different rows, {len(first.grid)} with "
                f"{_columns_of(first.grid)} and {len(next_one.grid)} with "
                f"{_columns_of(next_one.grid)}, so that there is no average of them; ask for one "
                'number of the response, such as target="P(y = 1)", or name the values in at='
            )
    sampled = mix.mixed({name: each.sampled for name, each in found.items()})
    questions = {name: each.question for name, each in found.items()}
    note = _notes({name: each.note for name, each in found.items()}).get("note", "")
    return replace(
        first, sampled=sampled, note=note, chains=mix.shape[0],
        question=f"Average of {mix.words}: {_one_question(questions)}",
    )  # fmt: skip


def _same_rows(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    if len(a) != len(b) or list(a.columns) != list(b.columns):
        return False
    return all((a[c].astype(object) == b[c].astype(object)).all() for c in a)


def _columns_of(grid: pd.DataFrame) -> str:
    return f"columns {', '.join(map(str, grid))}" if grid.shape[1] else "no columns"


def _one_question(questions: Mapping[str, str]) -> str:
    """What all models say once; what some say with their names."""
    parts = {name: text.removesuffix(".").split("; ") for name, text in questions.items()}
    longest = sorted(parts.values(), key=len, reverse=True)
    said = []
    for part in dict.fromkeys(part for each in longest for part in each):
        whose = [name for name, own in parts.items() if part in own]
        said.append(part if len(whose) == len(parts) else f"{part} ({', '.join(whose)})")
    text = "; ".join(said)
    plain = text[1:2].islower()
    return f"{text[:1].lower() if plain else text[:1]}{text[1:]}."


means = _mixed(of_one.means)
comparisons = _mixed(of_one.comparisons)
slopes = _mixed(of_one.slopes)


# ---- predictions ---------------------------------------------------------------------------------


_MOST = 2**25  # numbers: draws of rows that are held at a time
_OF_MEAN = ("mean", "mcse")


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
) -> Any:
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

    References
    ----------
    Yao, Vehtari, Simpson & Gelman (2018), doi:10.1214/17-BA1091.

    Examples
    --------
    >>> both.predict(new, kind="mean")  # doctest: +SKIP
    """
    how = Description.asked(prob, statistics, interval)
    question: dict[str, Any] = {
        "groups": groups, "kind": kind, "target": target, "seed": seed, "progress": progress,
        "new_levels": new_levels, "scale": scale,
    }  # fmt: skip
    _check_scale(mix, question)
    new = None if new is None else eager(new)
    if len(mix.present) == 1:
        (member,) = mix.present
        own = question | {"groups": _own_factors(mix, member, groups)}
        with _named(mix, member):
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
        own = {**question, "groups": _own_factors(mix, member, question["groups"])}
        with _named(mix, member):
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
    return out.assign_attrs({**first.attrs, **_notes(notes)})


def _notes(notes: Mapping[str, str]) -> dict[str, str]:
    """What is to be known about the numbers: once if all models say it, else with their names."""
    if len(set(notes.values())) == 1:
        said = next(iter(notes.values()))
    else:
        said = " ".join(f"{name}: {text}" for name, text in notes.items() if text)
    return {"note": said} if said else {}


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
        own = {**question, "groups": _own_factors(mix, member, question["groups"])}
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
    asked = ask(design, _own_factors(mix, member, question["groups"]), question["kind"])
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
