"""Levels of new rows that the fit has not seen."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.types import Design
from mixedbayes.design.values import label, listed
from mixedbayes.errors import DataError
from mixedbayes.predict.linear import Known
from mixedbayes.predict.rows import PredictionRows

type Strange = dict[str, NDArray[np.object_]]  # by factor (m,) the label, None where it is known


def unknown_levels(parts: Sequence[PredictionRows], known: Mapping[str, Known]) -> Strange:
    """Labels of the rows' levels that are neither the fit's nor known otherwise, by factor.

    Factors of which every row's level is known are left out.
    """
    found: Strange = {}
    for factor in (factor for rows in parts for factor in rows.factors):
        if factor.codes is None or not factor.unseen:
            continue
        told = known[factor.name].levels if factor.name in known else ()
        labels = np.array([None if text in told else text for text in factor.unseen], object)
        if any(text is not None for text in labels):
            drawn = factor.codes < 0
            found[factor.name] = np.full(len(drawn), None, object)
            found[factor.name][drawn] = labels[-1 - factor.codes[drawn]]
    return found


def marks(strange: Strange, n: int) -> Any:
    """(n,) the names of the factors whose level in a row is not known: "g", "a, a:b", or empty."""
    texts = np.full(n, "", object)
    for name, labels in strange.items():
        new = np.array([text is not None for text in labels], bool)
        comma = np.where(texts[new] == "", "", ", ")
        texts[new] = texts[new] + comma + name
    return texts.astype("str")


def refuse_levels(design: Design, strange: Strange) -> None:
    """DataError where there are levels that are not known."""
    for name, labels in strange.items():
        rows = [text for text in labels if text is not None]
        texts = list(dict.fromkeys(rows))
        groups = (g for p in (design.mu, *design.others.values()) for g in p.groups)
        known = [label(level) for level in next(g for g in groups if g.name == name).levels]
        near = difflib.get_close_matches(texts[0], known, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise DataError(
            f"{len(rows)} of {len(labels)} rows have {len(texts)} level(s) of {name} that the fit "
            f"has not seen: {listed(texts)}{meant}; known are {listed(known)}. Correct them, or "
            'draw their effects from the population with new_levels="draw"'
        )
