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
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError, ModelError
from mixedbayes.estimands import means as of_one
from mixedbayes.estimands.ask import expanded, names_of
from mixedbayes.estimands.grid import Among, Columns
from mixedbayes.estimands.result import Estimates
from mixedbayes.predict.question import carrying
from mixedbayes.predict.target import OfParameter
from mixedbayes.predict.target_text import parse_target
from mixedbayes.results.posterior import Posterior


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
        check_scale(mix, given)
        found = {}
        for member in mix.present:
            with of_model(mix, member):
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
    asked["groups"] = own_factors(mix, member, groups)
    focal = asked.get("focal")
    focal = list(focal) if isinstance(focal, Mapping) else names_of(focal, "focal")
    columns = member.post.columns or Columns(member.post.design)
    by = names_of(asked.get("by"), "by")
    known = [name for name in groups if name in columns.groups]
    more = [c for c in expanded(columns, known) if c not in (*by, *focal)]
    asked["by"] = [*by, *more]
    return asked


def own_factors(mix: Mixture, member: Member, groups: Any) -> Any:
    """Of a list of grouping factors those of this model, and those that no model has."""
    if not isinstance(groups, Sequence) or isinstance(groups, str):
        return groups

    def has(model: Member) -> set[str]:
        design = model.post.design
        return {g.name for p in design.predictors for g in p.factors} | {*carrying(design)}

    every = {name for model in mix.members for name in has(model)}
    return [g for g in groups if g in has(member) or g not in every]


def check_scale(mix: Mixture, given: Mapping[str, Any]) -> None:
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
        with of_model(mix, member):
            what = parse_target(target, member.post.design, member.post.family)
        if isinstance(what, OfParameter):
            raise ModelError(
                f"{target} is a parameter of the family, and the families "
                f"{' and '.join(sorted(kinds))} differ in what it is; ask for something of the "
                'response, such as target="quantile(0.9)"'
            )


@contextmanager
def of_model(mix: Mixture, member: Member) -> Iterator[None]:
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
    note = notes_of({name: each.note for name, each in found.items()}).get("note", "")
    note = " ".join(filter(None, [note, _ties(mix, found)]))
    return replace(
        first, sampled=sampled, note=note, chains=mix.shape[0],
        question=f"Average of {mix.words}: {_one_question(questions)}",
    )  # fmt: skip


def _ties(mix: Mixture, found: Mapping[str, Estimates]) -> str:
    """That a comparison is none in all draws of some models, which are then not above it."""
    first = next(iter(found.values()))
    tied = [n for n, e in found.items() if (e.sampled == e.null).all(axis=1).any()]
    if first.kind == "means" or not tied or len(tied) == len(found):
        return ""
    share = sum(len(m.positions) for m in mix.present if m.name in tied) / mix.shape[1]
    return (
        f"In {_and(tied)}, {100 * share:.3g} % of the draws, some estimates are {first.null:g} in "
        "each, as of a column that a model does not read: prob_positive counts such draws as not "
        f"above {first.null:g}."
    )


def notes_of(notes: Mapping[str, str]) -> dict[str, str]:
    """What is to be known about the numbers: once if all models say it, else with their names."""
    if len(set(notes.values())) == 1:
        said = next(iter(notes.values()))
    else:
        said = " ".join(f"{name}: {text}" for name, text in notes.items() if text)
    return {"note": said} if said else {}


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
