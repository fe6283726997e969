"""All checks of one fit, each with a sentence and the numbers behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd

from mixedbayes.printable import printable
from mixedbayes.results.text import plural, text_facts

_HEAD = {True: "!", False: " "}


@dataclass(frozen=True, eq=False)
class Finding:
    """One check.

    look
        Whether it wants a look.
    table
        The numbers behind the sentence.
    """

    title: str
    said: str
    look: bool
    table: pd.DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class CheckReport:
    """What `Fit.check` found; prints itself.

    Attributes
    ----------
    findings
        One per check, in the order of a workflow: sampler, residuals, group effects, design,
        priors, influence.
    """

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether no check wants a look."""
        return not any(f.look for f in self.findings)

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """The numbers behind each sentence, by the check's title."""
        return {f.title: f.table for f in self.findings}

    @property
    def verdict(self) -> str:
        """One sentence: how many checks, and which want a look."""
        look = [f.title for f in self.findings if f.look]
        total = plural(len(self.findings), "check")
        if not look:
            return f"{total}, none wants a look."
        return (
            f"{total}, {len(look)} want{'s' if len(look) == 1 else ''} a look: {', '.join(look)}."
        )

    def __repr__(self) -> str:
        rows = [(f"{_HEAD[f.look]} {f.title}", f.said) for f in self.findings]
        return printable(
            f"{self.verdict}\n\n{text_facts(rows)}\n\n"
            "Numbers behind each sentence: .tables; pictures: plot_check()."
        )

    def _repr_html_(self) -> str:
        return printable(f"<p>{escape(self.verdict)}</p>" + "".join(self._details()))

    def _details(self) -> Iterator[str]:
        for f in self.findings:
            mark = "&#9888; " if f.look else ""
            table = f.table.to_html(index=False, max_rows=40, float_format="{:.4g}".format)
            yield (
                f"<details><summary>{mark}<b>{escape(f.title)}</b>: {escape(f.said)}</summary>"
                f"{table}</details>"
            )


def p_said(p: float, least: float, limit: float) -> str:
    """p in words, beside the limit under which it wants a look; `least` is the smallest above 0."""
    value = f"p = {p:.2g}" if p > 0 else f"p < {least:.2g}"
    return f"{value}, limit {limit}"
