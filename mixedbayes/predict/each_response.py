"""Predictions of responses some of which have a row for each category: those of each, row by row.

Means of one response are those of its own model, so that nothing of the others is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.errors import ModelError
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.several import RESPONSE, each


def categorised(post: Posterior) -> list[str]:
    """The responses whose means are probabilities of categories."""
    every = post.design.several
    if every is None or not post.family.by_response:
        return []
    return [
        name
        for k, (name, part) in enumerate(zip(every.names, every.parts, strict=True))
        if post.family.of_response(k).categories(part) is not None
    ]


def of_each(
    post: Posterior, table: Callable[..., pd.DataFrame], how: Mapping[str, Any], *, rows: int | None
) -> pd.DataFrame:
    """The tables of all responses as one: row by row of `rows` new ones, each response in its
    order; of those of the fit, `rows` None, of the responses that are known.

    Raises
    ------
    ModelError
        Draws are asked for, which responses with categories and without have no array for.
    """
    every = post.design.several
    assert every is not None
    if how.get("draws"):
        said = " and ".join(categorised(post))
        raise ModelError(
            f"draws of means: those of {said} have a probability for each category, and other "
            "responses one number: ask for the draws of each response by itself, "
            'fit.response("...").predict(..., draws=True), or for a table'
        )
    found, places = [], []
    for k, (name, own) in enumerate(each(post).items()):
        one = table(own, **how)
        units = every.units[every.at(k)] if rows is None else np.arange(rows)
        width = len(one) // max(len(units), 1)
        one.insert(0, RESPONSE, pd.Series([name] * len(one), index=one.index, dtype="str"))
        found.append(one)
        places.append(np.repeat(units, width))
    order = np.argsort(np.concatenate(places), kind="stable")
    whole = pd.concat(found)
    attrs = dict(found[0].attrs)
    notes = dict.fromkeys(t.attrs["note"] for t in found if "note" in t.attrs)
    if notes:
        attrs["note"] = " ".join(notes)
    whole = whole.iloc[order]
    if all(t.index.equals(pd.RangeIndex(len(t))) for t in found):
        whole = whole.reset_index(drop=True)
    whole.attrs = attrs
    return whole
