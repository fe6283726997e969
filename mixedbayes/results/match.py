"""Whether draws are those of a model: every parameter and column there, as the model has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mixedbayes import names
from mixedbayes.design.types import Design, Floats
from mixedbayes.errors import FileError
from mixedbayes.model.coords import dims_of, model_coords
from mixedbayes.model.spec import Spec

_SUMMARIES = ("mean", "sd", "quantile")
FROM_PRIORS = ("prior", "prior_predictive")  # groups of the tree
_SAME = 1e-9  # of a column's norm, within which it is what it was


def check_match(spec: Spec, idata: xr.DataTree) -> None:
    """Raise FileError, naming the variable, where draws from a file are not of this model.

    Every parameter of `dims_of` has to be among the draws, with chains, draws and its own
    dimensions as long as the model has terms and levels. In place of the draws of group effects
    their summaries will do. Data and statistics have to have the model's rows and the draws'
    numbers.
    """
    if "posterior" not in idata.children:
        raise FileError("it has no draws (group posterior)")
    posterior = idata["posterior"].to_dataset()
    lengths = {name: len(labels) for name, labels in model_coords(spec).items()}
    sampled = {name: posterior.sizes.get(name, 0) for name in (names.CHAIN, names.DRAW)}
    if not all(sampled.values()):
        raise FileError("it has no draws (dimensions chain and draw)")
    effects = {names.ranef(g.name, p.parameter) for p in spec.design.predictors for g in p.groups}
    kept = idata.children.get(names.RANEF_SUMMARY)
    for name, dims in dims_of(spec).items():
        if name in posterior:
            _check(posterior[name], (*sampled, *dims), sampled | lengths)
        elif name in effects and kept is not None:
            _check_summaries(kept.to_dataset(), name, dims, lengths)
        else:
            raise FileError(f"its draws have no {name}, which the formula says there is")
    for name, length in (sampled | {names.OBS: lengths[names.OBS]}).items():
        for place, group in idata.children.items():
            if place in FROM_PRIORS and name != names.OBS:  # chains and draws of their own
                continue
            found = group.to_dataset().sizes.get(name, length)
            if found != length:
                raise FileError(f"{group.path} has {found:,} of {name}, where there are {length:,}")


def fingerprint(design: Design) -> dict[str, list[float]]:
    """Of every column that a formula computes, two numbers: its norm, and a sum of its rows.

    The rows' weights in the sum are the cosines of their numbers, so that values in other rows
    make another sum.
    """
    return {name: _of_column(column) for name, column in _columns(design)}


def check_fingerprint(kept: Mapping[str, Sequence[float]], design: Design) -> None:
    """Raise FileError, naming the column, where a formula now computes other values."""
    found = fingerprint(design)
    if list(kept) != list(found):
        raise FileError(f"it was fitted with the columns {', '.join(kept)}")
    for name, numbers in found.items():
        if not np.allclose(kept[name], numbers, rtol=0, atol=_SAME * numbers[0]):
            raise FileError(
                f"{name} has other values than in the fit: the functions given are not those that "
                "it was fitted with"
            )


def _columns(design: Design) -> Iterator[tuple[str, Floats]]:
    yield design.response, design.y
    for p in design.predictors:
        of = "" if p is design.mu else f" (of {p.parameter})"
        for term, column in zip(p.terms, p.X.T, strict=True):
            yield f"{term}{of}", column
        if p.offset is not None:
            yield f"the offset{of}", p.offset
        for g in p.smooths:
            for k, (_, Z) in enumerate(g.pieces, 1):
                yield f"function {k} of {g.name}{of}", Z[:, 0]
        for g in (g for g in p.factors if len(g.pieces) > 1):
            for k, (refs, Z) in enumerate(g.pieces, 1):
                yield f"level {k} of {g.name}{of}", refs.astype(float)
                yield f"weight {k} of {g.name}{of}", Z.sum(axis=1)
        for g in p.of_one_level:
            yield f"{g.name}{of}", g.refs.astype(float)
            for term, column in zip(g.terms, g.Z.T, strict=True):
                yield f"{term} | {g.name}{of}", column
    for name, column in (("weights", design.weights), ("trials", design.trials)):
        if column is not None:
            yield name, column.astype(float)
    if design.limits is not None:
        for name, column in design.limits.columns.items():
            yield name, np.nan_to_num(column)


def _of_column(column: Floats) -> list[float]:
    return [float(np.linalg.norm(column)), float(column @ np.cos(np.arange(len(column))))]


def _check_summaries(
    kept: xr.Dataset, name: str, dims: Sequence[str], lengths: Mapping[str, int]
) -> None:
    lengths = {**lengths, names.QUANTILE: kept.sizes.get(names.QUANTILE, 0)}
    for what in _SUMMARIES:
        variable = f"{name}_{what}"
        if variable not in kept:
            raise FileError(f"it has neither draws nor summaries of {name}")
        _check(kept[variable], (names.QUANTILE, *dims) if what == "quantile" else dims, lengths)


def _check(values: xr.DataArray, dims: Sequence[str], lengths: Mapping[str, int]) -> None:
    wanted = {dim: lengths[dim] for dim in dims}
    found: dict[Any, int] = dict(values.sizes)
    if list(found.items()) != list(wanted.items()):
        raise FileError(f"{values.name} is {_shape(found)}, where the model has {_shape(wanted)}")
    if values.dtype.kind not in "iuf":
        raise FileError(f"{values.name} is not numbers, but {values.dtype}")


def _shape(sizes: Mapping[Any, int]) -> str:
    return " x ".join(f"{n:,} {dim}" for dim, n in sizes.items()) or "one number"
