"""Data frames as HTML tables that scroll, sort and filter, rounded by their uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from mixedbayes.errors import ModelError
from mixedbayes.printable import escaped
from mixedbayes.report.source import Source, folded, or_reason
from mixedbayes.results.icc import icc
from mixedbayes.results.r2 import r2
from mixedbayes.results.ranef import coef
from mixedbayes.results.several import one_below_the_other
from mixedbayes.results.text import count, rounded
from mixedbayes.results.variance import need_shares

MOST_ROWS = 3000  # of one table in the page
FILTERED_FROM = 12  # rows from which a table has a field to filter by
_TOGETHER = ("mean", "sd", "lower", "upper")  # rounded by the row's sd


def html_frame(table: pd.DataFrame, what: str = "", *, most: int = MOST_ROWS) -> str:
    """A data frame as an HTML table, with a field to filter its rows where there are many.

    mean, sd, lower and upper have the decimals that the row's sd deserves, other numbers four
    digits. Of more than `most` rows the first are shown; `what` names the call that has all.
    """
    shown = table.head(most)
    columns = {str(c): _texts(shown, str(c)) for c in shown.columns}
    numeric = {str(c): pd.api.types.is_numeric_dtype(shown[c]) for c in shown.columns}
    head = "".join(
        f'<th class="{"number" if numeric[c] else "label"}" tabindex="0">{escaped(c)}</th>'
        for c in columns
    )
    kinds = [' class="number"' if numeric[c] else "" for c in columns]
    body = "".join(
        "<tr>"
        + "".join(f"<td{k}>{escaped(cell)}</td>" for k, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    note = ""
    if len(table) > most:
        note = f'<p class="note">The first {most:,} of {len(table):,} rows'
        note += f"; all of them: {escaped(what)}.</p>" if what else ".</p>"
    field = ""
    if len(shown) >= FILTERED_FROM:
        field = (
            '<p class="filter"><label>Filter rows <input type="search" autocomplete="off"></label>'
            f' <output class="note">{len(shown):,} rows</output></p>'
        )
    return (
        f'<div class="frame">{field}<div class="scroll"><table class="data"><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>{note}</div>"
    )


def _texts(table: pd.DataFrame, column: str) -> list[str]:
    values = table[column]
    if column in _TOGETHER and "sd" in table:
        sds = table["sd"]
        return [rounded([v], sd)[0] for v, sd in zip(values, sds, strict=True)]
    if column == "rhat":
        return ["" if pd.isna(v) else f"{v:.3f}" for v in values]
    if column.startswith("ess_"):
        return [count(v) for v in values]
    return [cell(v) for v in values]


def cell(value: Any) -> str:
    """One value as text: numbers with four digits, missing ones empty."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or float(value).is_integer():
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"
    return f"{value:.4g}"


def tables(source: Source) -> str:
    """All tables of a fit, folded; where one does not exist, the reason."""
    post, prob = source.post, source.prob
    wanted: tuple[tuple[str, str, Callable[[], pd.DataFrame]], ...] = (
        ("fixef", "population effects, link scale", lambda: source.summary.fixef),
        (
            "varcorr",
            "standard deviations and correlations of the group effects, residual",
            lambda: source.summary.varcorr,
        ),
        ("parameters", "further parameters of the family", lambda: source.summary.parameters),
        ("icc", "intraclass correlations", lambda: source.summary.icc),
        ("r2", "shares of explained variance", lambda: source.summary.r2),
        ("ranef", "each level's deviation from the population", lambda: source.ranef),
        ("coef", "population effect + deviation", lambda: coef(post, prob)),
        (
            "shrinkage",
            "no, partial and complete pooling of each level",
            lambda: source.shrinkage,
        ),
    )
    linked = [own for own in source.responses.values() if own.post.family.link.name != "identity"]
    if linked:

        def each_of(make: Callable[..., pd.DataFrame]) -> Callable[[], pd.DataFrame]:
            return lambda: one_below_the_other(
                {o.post.design.response: make(o.post, prob, scale="response") for o in linked}
            )

        wanted += (
            ("icc response", "of the response itself", each_of(icc)),
            ("r2 response", "of the response itself", each_of(r2)),
        )
    elif post.family.link.name != "identity":
        wanted += (
            ("icc response", "of the response itself", lambda: icc(post, prob, scale="response")),
            ("r2 response", "of the response itself", lambda: r2(post, prob, scale="response")),
        )
    return "".join(_section(source, name, says, make) for name, says, make in wanted)


def _section(source: Source, name: str, says: str, make: Callable[[], pd.DataFrame]) -> str:
    def part() -> str:
        table = make()
        if table.empty:
            raise ModelError(_absent(source, name))
        call = f"fit.{name}()"
        rows = f"{len(table):,} row" + ("s" if len(table) != 1 else "")
        note = ". ".join(filter(None, (f"{says} ({rows})", table.attrs.get("note"))))
        return folded(name, html_frame(table, call), note=note)

    return or_reason(name, part)


def _absent(source: Source, name: str) -> str:
    """Why a table has no rows."""
    if name in ("icc", "r2"):
        need_shares(source.post)
    if name == "parameters" and source.post.family.unordered:
        return f"the {source.post.family.name} family has none besides its predictors' effects"
    if name == "parameters":
        return f"the {source.post.family.name} family has none besides what varcorr shows"
    if name == "fixef":
        return "the model has no intercept and no predictors"
    return "the model has no group effects"
