"""What a report is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from mixedbayes.engines.base import Chosen
from mixedbayes.errors import MixedBayesError
from mixedbayes.printable import escaped
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import ranef
from mixedbayes.results.shrinkage import shrinkage
from mixedbayes.results.summary import Summary, summary
from mixedbayes.sample.settings import Settings


@dataclass(frozen=True, eq=False)
class Source:
    """A posterior, and what of its fit is not in it.

    Attributes
    ----------
    post
        The posterior.
    data
        The rows and columns that the model reads.
    user_priors
        The priors that the user gave.
    formulation, settings, note
        How it was sampled, and what happened on the way.
    units
        Units of columns by name.
    prob
        Probability of all intervals.
    """

    post: Posterior
    data: pd.DataFrame
    user_priors: Mapping[str, Any]
    formulation: Chosen
    settings: Settings
    note: str
    units: Mapping[str, str]
    prob: float

    @cached_property
    def ranef(self) -> pd.DataFrame:
        return ranef(self.post, self.prob)

    @cached_property
    def shrinkage(self) -> pd.DataFrame:
        return shrinkage(self.post, self.prob)

    @cached_property
    def summary(self) -> Summary:
        return summary(self.post, self.prob, formulation=self.formulation, note=self.note)


def paragraph(text: str, kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    return f"<p{mark}>{escaped(text)}</p>"


def or_reason(what: str, make: Callable[[], str]) -> str:
    """A part of the page, or one sentence on why the model does not have it."""
    try:
        return make()
    except MixedBayesError as reason:
        return paragraph(f"No {what}: {reason}.".replace("..", "."), "reason")


def folded(title: str, body: str, *, open: bool = False, note: str = "") -> str:
    """A part that the reader opens and closes."""
    aside = f' <span class="note">{escaped(note)}</span>' if note else ""
    start = "<details open>" if open else "<details>"
    return f"{start}<summary><b>{escaped(title)}</b>{aside}</summary>{body}</details>"
