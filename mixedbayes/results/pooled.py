"""Draws of one model in several data sets, imputed ones, pooled: one posterior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.design.build import Fitted
from mixedbayes.design.types import Design, Floats, LinearPredictor
from mixedbayes.errors import DataError, ModelError
from mixedbayes.model.spec import Spec
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Chained, Chains
from mixedbayes.sample.convergence import ConvergenceReport

DATA_SET = "data_set"
_CLOSE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class Pooled(Posterior):
    """The posterior p(theta | data sets) = mean over m of p(theta | data set m), by its draws.

    The chains of each data set stand one after the other, and agree within it alone. `design` is
    that of the first data set.
    """

    sets: tuple[Posterior, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def of(cls, sets: Mapping[str, Posterior]) -> Pooled:
        """Of posteriors of one model, by the names of the data sets.

        Raises
        ------
        DataError
            Their designs do not have the same columns, levels and transforms; it names the set.
        """
        first = next(iter(sets.values()))
        for label, other in list(sets.items())[1:]:
            check_alike(first.spec, other.spec, label)
        draws = xr.concat(
            [p.idata["posterior"].to_dataset()[list(map(str, first.draws))] for p in sets.values()],
            dim=names.CHAIN, combine_attrs="override",
        )  # fmt: skip
        count = draws.sizes[names.CHAIN]
        tree = {"posterior": draws.assign_coords({names.CHAIN: np.arange(count)})}
        if all("sample_stats" in p.idata.children for p in sets.values()):
            stats = xr.concat(
                [p.idata["sample_stats"].to_dataset() for p in sets.values()],
                dim=names.CHAIN, combine_attrs="override", join="outer",
            )  # fmt: skip
            tree["sample_stats"] = stats.assign_coords({names.CHAIN: np.arange(count)})
        found = xr.DataTree.from_dict(tree)
        found.attrs = dict(first.idata.attrs)
        return cls(first.spec, found, first.run, tuple(sets.values()), tuple(sets))

    @property
    def data_sets(self) -> tuple[Posterior, ...]:
        return self.sets

    @property
    def shape(self) -> tuple[int, int]:
        chains, draws = super().shape
        return Chains.of(chains, len(self.sets)), draws

    def chains(self, name: str) -> Floats:
        found = super().chains(name).view(Chained)
        found.sets = len(self.sets)
        return found

    def stacked(self, name: str) -> Floats:
        return np.asarray(super().stacked(name))

    def judged(self, judge: Callable[[Posterior], ConvergenceReport]) -> ConvergenceReport:
        reports = [judge(p) for p in self.sets]
        tables = [
            r.table.assign(**{DATA_SET: label})
            for label, r in zip(self.labels, reports, strict=True)
        ]
        return ConvergenceReport(
            table=pd.concat(tables),
            divergences=sum(r.divergences for r in reports),
            saturated=sum(r.saturated for r in reports),
            bfmi=np.concatenate([r.bfmi for r in reports]),
            chains=sum(r.chains for r in reports),
            draws=sum(r.draws for r in reports),
            not_checked=sum(r.not_checked for r in reports),
            by_chance=sum(r.by_chance for r in reports),
            messages=tuple(
                f"Data set {label}: {message}"
                for label, r in zip(self.labels, reports, strict=True)
                for message in r.messages
            ),
        )

    def need_one_data_set(self, what: str) -> None:
        raise ModelError(
            f"{what} is of the rows of one data set, and these draws are of {len(self.sets)} whose "
            "rows differ: ask the fit of each, fit.fits"
        )

    def need_same_predictors(self, what: str) -> None:
        """ModelError where data sets have other values in the columns that predict."""
        differ = predictors_that_differ([p.design for p in self.sets])
        if differ:
            self.need_one_data_set(f"{what} reads {', '.join(differ)} in the rows, which")

    def with_design(self, design: Design) -> Posterior:
        """The same draws for other rows, in the place of those of every data set."""
        return replace(self, spec=replace(self.spec, design=design))


def predictors_that_differ(designs: list[Design]) -> list[str]:
    """Columns besides the response whose values are not the same in all data sets."""
    from mixedbayes.design.used import used_columns

    first = designs[0].frame
    own = set(used_columns(designs[0].formula).response)
    frames = [d.frame for d in designs]
    if any(len(f) != len(first) for f in frames):
        return [str(name) for name in first if name not in own] or ["the intercept"]
    return [
        str(name)
        for name in first
        if name not in own
        and any(not _same(first[name].to_numpy(), f[name].to_numpy()) for f in frames[1:])
    ]


def _same(a: Any, b: Any) -> bool:
    return bool(pd.Series(a).reset_index(drop=True).equals(pd.Series(b).reset_index(drop=True)))


# ---- whether draws can be pooled ---------------------------------------------------------------


def check_alike(first: Spec, other: Spec, label: str) -> None:
    """DataError unless the parameters of two models are the same numbers."""
    a, b = first.design, other.design
    _alike(a.response_levels, b.response_levels, label, f"levels of {a.response}")
    if a.response_levels is None and first.family.thresholds is not None:
        name = first.family.thresholds
        _alike(first.family.labels(name, a), other.family.labels(name, b), label, name)
    _alike(
        [p.parameter for p in a.predictors], [p.parameter for p in b.predictors], label, "formulas"
    )
    for p, q in zip(a.predictors, b.predictors, strict=True):
        _check_predictor(p, q, label)
    if a.residual is not None and b.residual is not None:
        ours, theirs = a.residual, b.residual
        _alike(ours.positions, theirs.positions, label, f"values of {ours.structure.of}")
        _alike(ours.arm_levels, theirs.arm_levels, label, f"levels of {ours.by}")
    _check_transforms(a.columns, b.columns, label)


def _check_predictor(p: LinearPredictor, q: LinearPredictor, label: str) -> None:
    of = "" if p.parameter == names.MU else f" of {p.parameter}"
    _alike(p.terms, q.terms, label, f"population columns{of}")
    _alike([g.name for g in p.groups], [g.name for g in q.groups], label, f"terms{of}")
    for g, h in zip(p.groups, q.groups, strict=True):
        _alike(g.levels.tolist(), h.levels.tolist(), label, f"levels of {g.name}")
        _alike(g.terms, h.terms, label, f"effects over {g.name}{of}")


def _alike(ours: Any, theirs: Any, label: str, what: str) -> None:
    if ours == theirs:
        return
    a, b = (list(x) if x is not None else [] for x in (ours, theirs))
    only = [x for x in a if x not in b], [x for x in b if x not in a]
    said = " and ".join(
        text
        for items, text in (
            (only[0], f"lacks {', '.join(map(repr, only[0][:4]))}"),
            (only[1], f"has {', '.join(map(repr, only[1][:4]))} besides"),
        )
        if items
    )
    raise DataError(
        f"data set {label} has other {what} than the first: it "
        f"{said or 'has them in another order'}. Draws of different parameters cannot be pooled: "
        "give all data sets the same categories, in one order, or leave out the rows of a level "
        "that some lack"
    )


def _check_transforms(a: Any, b: Any, label: str) -> None:
    """What columns were centred, scaled or bent by is the same."""
    if not isinstance(a, Fitted) or not isinstance(b, Fitted):
        return
    for text, state in a.memory.states.items():
        if not _same_state(state, b.memory.states.get(text)):
            raise DataError(
                f"data set {label}: {text} learns other numbers of it than of the first data set, "
                "so that its coefficients are others: write numbers in their place, such as "
                "I((x - 5) / 2)"
            )
    for s, t in zip(a.smooths, b.smooths, strict=True):
        if not _same_state(s.x, t.x):
            raise DataError(
                f"data set {label}: the functions of {s.said.name} are others than in the first, "
                "because its column has other values; smooths of an imputed column cannot be pooled"
            )


def _numbers(state: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in state.items() if v is not None and not isinstance(v, bool)}


def _same_state(a: Any, b: Any) -> bool:
    """Whether what was learned is the same, to rounding.

    What is absent or a switch in one of them is of the call, which is the same in both.
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        a, b = _numbers(a), _numbers(b)
        return a.keys() == b.keys() and all(_same_state(v, b[k]) for k, v in a.items())
    if a is None or b is None:
        return a is b
    try:
        own, other = np.asarray(a, float), np.asarray(b, float)
    except (TypeError, ValueError):
        return bool(np.array_equal(np.asarray(a, object), np.asarray(b, object)))
    with np.errstate(invalid="ignore"):
        return own.shape == other.shape and np.allclose(own, other, _CLOSE, _CLOSE, equal_nan=True)
