"""What a report is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from mixedbayes.errors import MixedBayesError
from mixedbayes.printable import escaped
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ranef import ranef
from mixedbayes.results.several import each, one_below_the_other
from mixedbayes.results.shrinkage import shrinkage
from mixedbayes.results.summary import Summary, summary


@dataclass(frozen=True, eq=False)
class Source:
    """A posterior, and how the page shows it.

    Attributes
    ----------
    post
        The posterior.
    units
        Units of columns by name; None for those of the data.
    prob
        Probability of all intervals.
    """

    post: Posterior
    units: Mapping[str, str] | None
    prob: float

    @cached_property
    def ranef(self) -> pd.DataFrame:
        return ranef(self.post, self.prob)

    @cached_property
    def shrinkage(self) -> pd.DataFrame:
        if self.responses:
            return one_below_the_other({n: own.shrinkage for n, own in self.responses.items()})
        return shrinkage(self.post, self.prob)

    @cached_property
    def responses(self) -> dict[str, Source]:
        """Of each of several responses; none of one."""
        if self.post.design.several is None:
            return {}
        return {name: replace(self, post=own) for name, own in each(self.post).items()}

    @cached_property
    def summary(self) -> Summary:
        return summary(self.post, self.prob)


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
