"""The rows' data under the names that a pm.Model and a fit's `constant_data` have."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.design.types import LinearPredictor
from mixedbayes.model.spec import Spec

type Labelled = dict[str, tuple[tuple[str, ...], NDArray[Any]]]


def data_of(spec: Spec) -> Labelled:
    """Columns, codes of levels, offsets, weights and trials of the rows: name -> (dims, values).

    Of a smooth `Z_<smooth>` (obs, function) has its functions in the rows.
    `X` (obs, term); per grouping factor `refs_<group>` (obs), the position of each row's level,
    and, where not only an intercept varies, `Z_<group>` (obs, term); `offset`, `weights` and
    `trials` (obs). Those of a further parameter have its name: `sigma_X`, `refs_sigma_<group>`.
    Whole numbers have the type that PyMC gives them.
    """
    out: Labelled = {}
    for predictor in spec.design.predictors:
        out |= _of_predictor(predictor)
    design = spec.design
    for name, values in (("weights", design.weights), ("trials", design.trials)):
        if values is not None:
            out[name] = (names.OBS,), as_data(values)
    return out


def _of_predictor(predictor: LinearPredictor) -> Labelled:
    p = predictor.parameter
    prefix = names.prefix(p)
    out: Labelled = {}
    if predictor.terms:
        out[f"{prefix}X"] = (names.OBS, names.term_dim(p)), predictor.X
    for g in predictor.groups:
        if g.dense is not None:
            dims = names.OBS, g.level_dim(p)
            out[refs_and_Z(g.name, p)[1]] = dims, g.dense
            continue
        for k, (refs, Z) in enumerate(g.pieces):
            codes, columns = refs_and_Z(g.name, p, k)
            out[codes] = (names.OBS,), as_data(refs)
            if g.terms != (names.INTERCEPT,) or (Z != 1).any():
                out[columns] = (names.OBS, names.group_term_dim(g.name, p)), Z
    if predictor.offset is not None:
        out[f"{prefix}offset"] = (names.OBS,), predictor.offset
    return out


def refs_and_Z(group: str, parameter: str = "mu", piece: int = 0) -> tuple[str, str]:
    """Names of the data of one piece of a term; a grouping factor has one."""
    tag = f"{names.prefix(parameter)}{names.identifier(group)}" + (f"_{piece}" if piece else "")
    return f"refs_{tag}", f"Z_{tag}"


def as_data(values: Any) -> NDArray[Any]:
    """Whole numbers in PyMC's type of them; numbers beyond its range as they are, in floats."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        return values.astype(float)
    limits = np.iinfo(np.int32)
    fits = not values.size or (values.min() >= limits.min and values.max() <= limits.max)
    return values.astype(np.int32 if fits else float)
