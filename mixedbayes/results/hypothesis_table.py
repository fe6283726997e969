"""The table of hypotheses, printed with no more certainty than draws allow."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.printable import escaped, in_one_line, printable
from mixedbayes.results.text import WIDTH, Table, rounded, short

_RULE_OF_THREE = 3.0  # 95 % limit of a probability that no one of N draws shows: 3 / N
_GAP = 2


class Hypotheses(Table):
    """A data frame of hypotheses, which prints what can be known from its draws.

    Where all draws agree, the probability in the frame is 0 or 1; what is printed is its 95 %
    limit, 3 / N with N effective draws, and the limit of the evidence ratio that follows.
    """

    @property
    def _constructor(self) -> Callable[..., Hypotheses]:
        return Hypotheses

    def __repr__(self) -> str:
        if "hypothesis" not in self.columns or not len(self) or not self.columns.is_unique:
            return super().__repr__()
        notes = (textwrap.fill(line, WIDTH) for line in self._notes())
        return printable("\n".join([_text(shown(self)), *notes]))

    def _repr_html_(self) -> str | None:
        if "hypothesis" not in self.columns or not self.columns.is_unique:
            return super()._repr_html_()
        if not pd.get_option("display.notebook_repr_html"):
            return None
        html = printable(shown(self).to_html(index=False, notebook=True))
        note = "<br>".join(map(escaped, self._notes()))
        return f"{html}<p><small>{note}</small></p>" if note else html

    def _notes(self) -> list[str]:
        return str(self.attrs.get("note", "")).splitlines()


def explained(
    kinds: Collection[str], prob: float, rope: tuple[float, float] | None, evidence: bool
) -> str:
    """What the columns are, for statements of these kinds."""
    said = [
        f"estimate, sd and the {100 * prob:g} % interval: of the left side minus the right, or of "
        "the expression."
    ]
    if "direction" in kinds:
        said.append(
            "probability: that the statement holds, given the data and the model; mcse: its Monte "
            "Carlo standard error."
        )
    if rope is not None:
        said.append(f"in_rope: probability of an estimate from {rope[0]:g} to {rope[1]:g}.")
    if evidence and "direction" in kinds:
        said.append("evidence_ratio: posterior odds over prior odds (prior_probability).")
    if evidence and "equality" in kinds:
        said.append(
            "Of an equality evidence_ratio is the posterior over the prior density there "
            "(Savage-Dickey), above 1 in its favour."
        )
    return " ".join(said)


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table's cells as text."""
    cells: dict[Any, list[str]] = {}
    for name in table.columns:
        if name == "hypothesis":
            cells[name] = [in_one_line(str(text)) for text in table[name]]
        elif name in _WRITTEN:
            cells[name] = [_WRITTEN[name](row) for row in table.to_dict("records")]
        else:
            cells[name] = [_cell(value) for value in table[name]]
    return pd.DataFrame(cells)


def _estimated(name: str) -> Callable[[dict[Any, Any]], str]:
    """Numbers with the digits that the sd leaves them."""
    return lambda row: rounded([row[name]], row.get("sd", np.nan))[0]


def _before(row: dict[Any, Any]) -> str:
    p = row["prior_probability"]
    return "" if np.isnan(p) else _digits(p, 3)


def _share(row: dict[Any, Any]) -> str:
    return "" if np.isnan(row["in_rope"]) else f"{row['in_rope']:.3f}"


def _cell(value: Any) -> str:
    if not isinstance(value, float | np.floating):
        return in_one_line(str(value))
    return "" if np.isnan(value) else short(float(value))


def _probability(row: dict[Any, Any]) -> str:
    p, mcse = row["probability"], row.get("mcse", np.nan)
    if np.isnan(p):
        return ""
    if np.isnan(mcse):
        return short(p)
    if p in (0.0, 1.0):
        limit, places = min(_RULE_OF_THREE * mcse, 0.5), _places(_RULE_OF_THREE * mcse)
        outward = np.ceil(limit * 10**places) / 10**places
        return f"> {1 - outward:.{places}f}" if p else f"< {outward:.{places}f}"
    places = max(2, _places(mcse))
    text = f"{p:.{places}f}"
    while float(text) in (0.0, 1.0):
        places += 1
        text = f"{p:.{places}f}"
    return text


def _places(x: float) -> int:
    """Decimals at which a number below 1 has one significant digit."""
    return max(1, -int(np.floor(np.log10(x)))) if x > 0 else 1


def _error(row: dict[Any, Any]) -> str:
    return "" if np.isnan(row["mcse"]) else f"{row['mcse']:.1g}"


def _evidence(row: dict[Any, Any]) -> str:
    ratio, p = row["evidence_ratio"], row.get("probability", np.nan)
    if np.isnan(ratio):
        return ""
    before, mcse = row.get("prior_probability", np.nan), row.get("mcse", np.nan)
    if np.isnan(p) or np.isnan(mcse) or np.isnan(before):
        return _digits(ratio, 2)
    if p not in (0.0, 1.0):  # the error of the odds says how many digits there are
        error = mcse / (p * (1 - p))
        return _digits(ratio, 1 if error > 0.2 else 2 if error > 0.02 else 3)
    limit = min(_RULE_OF_THREE * mcse, 0.5)
    odds = (1 - limit) / limit if p else limit / (1 - limit)
    return f"{'>' if p else '<'} {_digits(odds * (1 - before) / before, 2)}"


def _digits(x: float, digits: int) -> str:
    rounded = float(f"{x:.{digits}g}")
    return f"{rounded:,.0f}" if 100 <= rounded < 1e6 else f"{x:#.{digits}g}".removesuffix(".")


_WRITTEN: dict[Any, Callable[[dict[Any, Any]], str]] = {
    **{name: _estimated(name) for name in ("estimate", "sd", "lower", "upper")},
    "probability": _probability, "mcse": _error, "in_rope": _share, "evidence_ratio": _evidence,
    "prior_probability": _before,
}  # fmt: skip


def _text(cells: pd.DataFrame) -> str:
    """Columns side by side; a hypothesis that is too long stands above its numbers."""
    heads = {n: str(n).split("_") for n in cells.columns if n != "hypothesis"}
    widths = {n: max(map(len, [*heads[n], *cells[n]])) for n in heads}
    room = WIDTH - sum(w + _GAP for w in widths.values())
    fitting = [len(text) for text in cells["hypothesis"] if len(text) <= room]
    left = max([len("hypothesis"), *fitting])
    tallest = max(map(len, heads.values()), default=1)
    lines = []
    for k in range(tallest):  # words of a head, the last ones in one line
        cut = {n: words[k - tallest + len(words)] if k >= tallest - len(words) else ""
               for n, words in heads.items()}  # fmt: skip
        label = "hypothesis" if k == tallest - 1 else ""
        lines.append(label.ljust(left) + "".join(cut[n].rjust(w + _GAP) for n, w in widths.items()))
    for row in cells.to_dict("records"):
        label = row["hypothesis"]
        numbers = "".join(row[n].rjust(w + _GAP) for n, w in widths.items())
        if len(label) > left:
            lines.append(label)
            label = ""
        lines.append(label.ljust(left) + numbers)
    return "\n".join(line.rstrip() for line in lines)
