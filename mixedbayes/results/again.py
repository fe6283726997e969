"""The rows of data that were read in batches, read once more, and the posterior for each batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.batches.columns import complete
from mixedbayes.design.replay import replay
from mixedbayes.design.standing import Again
from mixedbayes.design.table import table
from mixedbayes.design.types import Design, Floats, GroupDesign, LinearPredictor, NewRows
from mixedbayes.design.used import used_columns
from mixedbayes.errors import DataError, ModelError, listed
from mixedbayes.results.posterior import Posterior
from mixedbayes.sources import Source
from mixedbayes.sources import open as opened
from mixedbayes.sources.base import SIZE
from mixedbayes.sources.libraries import arrow

ROW = "row"  # name of the index: the place of a row in the source, from 0


@dataclass(frozen=True, eq=False)
class Reader:
    """The rows of a fit, in batches.

    Attributes
    ----------
    source
        What is read.
    columns
        Of the formula.
    further
        That are handed on, too.
    used
        How many rows the fit had.
    size
        Rows of a batch.
    """

    source: Source
    columns: tuple[str, ...]
    further: tuple[str, ...]
    used: int
    size: int

    @classmethod
    def of(
        cls,
        design: Design,
        data: Any = None,
        *,
        columns: Sequence[str] = (),
        size: int | None = None,
    ) -> Reader:
        """Of a fit's own source, or of one that is given in its place.

        Raises
        ------
        ModelError
            The data were not read in batches, or the source is not at hand.
        DataError
            There is no such column.
        """
        standing = design.standing
        if standing is None:
            raise ModelError(
                "the data of this fit were not read in batches: fitted(), residuals(), predict() "
                "and loo() have all its rows"
            )
        again = standing.again
        if data is not None:
            of = getattr(data, "of", None)  # of what `mixedbayes.source` made
            again = Again(opened(of if isinstance(of, Source) else data))
        if again.source is None:
            raise ModelError(
                f"the rows of {standing.source} are not at hand: files of fits, and fits that come "
                "from other processes, do not have them. Give them, by_batch(..., data=...), with "
                "what the model was made of"
            )
        source = again.source
        used = tuple(n for n in used_columns(design.formula).columns if n in source.names)
        further = (columns,) if isinstance(columns, str) else tuple(columns)
        if absent := [name for name in further if name not in source.names]:
            raise DataError(
                f"{source.describe()}: no column {listed(absent)}; there are "
                f"{listed(source.names, 40)}"
            )
        rows = size or again.size or SIZE
        return cls(source, used, further, standing.used, rows)

    def frames(self) -> Iterator[pd.DataFrame]:
        """Complete rows of each batch, under their place in the source.

        Raises DataError where there are not as many as the fit had.
        """
        pa, start, found = arrow(), 0, 0
        every = list(dict.fromkeys((*self.columns, *self.further)))
        for batch in self.source.batches(every, self.size):
            kept, _ = complete(batch, self.columns)
            places = np.arange(start, start + batch.num_rows)
            start += batch.num_rows
            if kept is not None:
                batch, places = batch.filter(pa.array(kept)), places[kept]
            found += batch.num_rows
            if batch.num_rows:
                frame = table(pa.Table.from_batches([batch]), every).frame()
                yield frame.set_axis(pd.Index(places, name=ROW))
        if found != self.used:
            raise DataError(
                f"{self.source.describe()} has {found:,} complete rows, and the fit had "
                f"{self.used:,}: these are other data, or they changed since"
            )


def of_batch(post: Posterior, frame: pd.DataFrame) -> Posterior:
    """The same draws for some rows of the data."""
    design, first = post.design, None
    predictors = []
    for p in design.predictors:
        new = replay(design, frame, response=first is None, parameter=p.parameter)
        first = new if first is None else first
        predictors.append(_predictor(p, new))
    assert first is not None
    n = len(frame)
    return post.with_design(
        replace(
            design,
            y=_response(design, first),
            predictors=tuple(predictors),
            weights=first.weights,
            trials=first.trials,
            index=frame.index,
            rows=np.arange(n),
            dropped={},
            data=frame,
            limits=first.limits,
            standing=None,
        )
    )


def _predictor(p: LinearPredictor, new: NewRows) -> LinearPredictor:
    groups = []
    for g in p.groups:
        assert isinstance(g, GroupDesign)
        own = new.groups[g.name]
        if (own.codes < 0).any():
            raise DataError(f"{g.name} has levels that the fit has not seen: these are other data")
        codes = own.codes[:, 0]
        groups.append(replace(g, refs=codes, Z=own.Z, counts=None, active=None))
    return replace(p, X=new.X, groups=tuple(groups), offset=new.offset, counts=None)


def _response(design: Design, new: NewRows) -> Floats:
    """(n,) coded as the fit's."""
    y, own = np.asarray(new.y), new.response_levels
    if design.response_levels is None or own is None or own == design.response_levels:
        return y
    places = {label: float(k) for k, label in enumerate(design.response_levels)}
    if absent := [label for label in own if label not in places]:
        raise DataError(
            f"{design.response} has the values {listed(absent)}, which the fit has not seen: these "
            "are other data"
        )
    return np.array([places[label] for label in own])[y.astype(np.intp)]
