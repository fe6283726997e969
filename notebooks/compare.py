"""Are saved outputs those of the code? ``python notebooks/compare.py [notebook ...]``.

Runs each notebook in a fresh kernel and compares every output with the saved one: tables column by
column, other text word by word. Words must be the same. Numbers may differ as two runs of a sampler
do, and by two units of the last printed digit:

* where an sd s, or an interval of 3.92 s, stands in the row: means by 7 Monte Carlo errors
  s / sqrt(ess), that is, five errors of a difference; sds by as much; ends of intervals by three
  times as much. ess is the row's effective number of draws, or 400 where none is printed;
* a probability p by 7 sqrt(p (1 - p) / 400) + 0.01, and where it is called p, a share of 200
  simulations, accordingly;
* effective numbers of draws by a factor of 3, rhat by 0.03, Monte Carlo errors by a factor of 2;
* differences of elpd by 0.4 of their standard error dse, and p_worse, which they decide, by 0.2;
  weights of models, which small differences decide, and a Pareto k by 0.3; what `diag_elpd` says
  of single rows is not compared;
* any other number by a tenth of itself, or by the part that the cell's metadata call `tolerance`.
  What both times is below 1e-8 is rounding.

Numbers of cells with the tag "varies" (times, sizes) are not compared, only their words. Of a
report's details its headings are compared. Ends with status 1 and a line for each difference.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from math import isfinite, sqrt
from pathlib import Path

import nbformat
from execute import HERE, run
from nbformat import NotebookNode

ERRORS = 7.0  # Monte Carlo errors of one run: five of the difference of two
ESS = 400.0  # effective draws where none are printed
SIMULATIONS = 200.0  # behind a p value
PART = 0.1  # of a number without an error
ROUNDING = 1e-8

NUMBER = re.compile(r"[-+\u2212]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_ALONE = re.compile(rf"(?<![\w.])({NUMBER.pattern})(?![\w]|\.\d)")
# addresses of objects, and versions of programs, are of the machine
_OF_THE_MACHINE = re.compile(r"0x[0-9a-f]+|\b\d+(?:\.\d+){2,}\b")

EFFECTIVE = {"ess_bulk", "ess_tail", "ess"}
UNCOMPARED = {"diag_elpd"}
PROBABILITIES = {"prob_positive", "P(>0)", "prob", "probability", "power"}
ENDS = {"lower", "upper"}
KINDS = (
    {"mean", "sd", "rhat", "mcse", "mcse_mean", "elpd_diff", "p_worse", "weight"}
    | ENDS
    | EFFECTIVE
    | PROBABILITIES
)


@dataclass(frozen=True)
class Table:
    """Columns by their names, the words of several heading rows in one; rows of cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass
class _Page(HTMLParser):
    """Tables, and the text around them; of details the summary alone."""

    tables: list[Table] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    rows: list[list[tuple[str, str, int]]] | None = None  # tag, text, columns that it spans

    def __post_init__(self) -> None:
        super().__init__()
        self.hidden = 0
        self.cell: list[str] | None = None
        self.opened = ("td", 1)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in ("style", "details"):
            self.hidden += 1
        elif tag == "summary":
            self.hidden -= 1
        elif tag == "table":
            self.rows = []
        elif tag == "tr" and self.rows is not None:
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.cell, self.opened = [], (tag, int(dict(attrs).get("colspan") or 1))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "details"):
            self.hidden -= 1
        elif tag == "summary":
            self.hidden += 1
        elif tag == "table" and self.rows is not None:
            if not self.hidden:
                self.tables.append(_table(self.rows))
            self.rows = None
        elif tag in ("td", "th") and self.cell is not None and self.rows:
            kind, width = self.opened
            self.rows[-1].append((kind, " ".join("".join(self.cell).split()), width))
            self.cell = None

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.cell.append(data)
        elif not self.hidden and self.rows is None:
            self.text.append(data)


def _table(rows: Sequence[Sequence[tuple[str, str, int]]]) -> Table:
    heads = 0
    while heads < len(rows) and all(kind == "th" for kind, _, _ in rows[heads]):
        heads += 1
    width = max((sum(span for _, _, span in row) for row in rows), default=0)
    wide = [[text for _, text, span in row for _ in range(span)] for row in rows]
    names = [" ".join(filter(None, of_one)) for of_one in zip(*wide[:heads], strict=False)]
    columns = [*names, *([""] * (width - len(names)))]
    # cells of a level that stands once for several rows are missing at the left
    body = [[""] * (width - len(row)) + row for row in wide[heads:]]
    return Table(tuple(columns), tuple(map(tuple, body)))


def value(text: str) -> float | None:
    """The number that a cell holds, if it is one."""
    plain = text.strip().removesuffix("%").strip()
    if not NUMBER.fullmatch(plain):
        return None
    return float(plain.replace(",", "").replace("\u2212", "-"))


def last_digit(text: str) -> float:
    """The size of a unit in the last digit that is printed."""
    mantissa, _, power = text.lower().replace("%", "").strip().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 10.0 ** ((int(power) if power else 0) - decimals)


@dataclass(frozen=True)
class Allowed:
    """How far a number may be from the saved one."""

    by: float = 0.0
    factor: float = 1.0  # or between so many parts and so many times

    def holds(self, saved: float, fresh: float, unit: float) -> bool:
        if abs(saved) < ROUNDING and abs(fresh) < ROUNDING:
            return True
        if saved > 0 and fresh > 0 and max(saved / fresh, fresh / saved) <= self.factor:
            return True
        return abs(saved - fresh) <= self.by + 2.001 * unit


def in_text(saved: float, fresh: float, before: str, part: float) -> Allowed:
    """For a number in a sentence, after the words `before`."""
    if re.search(r"\bp\s*[=<]\s*$", before):
        return Allowed(_of_share(saved, SIMULATIONS))
    if re.search(r"(?:ess_bulk|ess_tail|draws)\s*$", before):
        return Allowed(factor=3.0)
    if re.search(r"rhat\s*$", before):
        return Allowed(0.03)
    if re.search(r"Pareto k\s*=\s*$", before):
        return Allowed(0.3)
    return Allowed(part * max(abs(saved), abs(fresh)))


def in_table(table: Table, row: Sequence[str], column: int, part: float) -> Allowed:
    """For a number of a table, by the name of its column and what stands beside it."""
    saved = value(row[column])
    assert saved is not None
    words = table.columns[column].split()
    kind = next((word for word in words if word in KINDS), "")
    if kind in EFFECTIVE:
        return Allowed(factor=3.0)
    if kind == "rhat":
        return Allowed(0.03)
    if kind.startswith("mcse"):
        return Allowed(factor=2.0)
    if kind in PROBABILITIES and 0 <= saved <= 1:
        return Allowed(_of_share(saved, ESS) + 0.01)
    if kind == "weight":
        return Allowed(0.3)
    if kind == "p_worse":
        return Allowed(0.2)
    general = part * abs(saved)
    if kind == "elpd_diff" and "dse" in table.columns:
        return Allowed(general + 0.4 * (value(row[table.columns.index("dse")]) or 0.0))
    if kind not in {"mean", "sd"} | ENDS:
        return Allowed(general)

    def beside(name: str) -> float | None:
        wanted = [name if word == kind else word for word in words]
        at = [i for i, each in enumerate(table.columns) if each.split() == wanted]
        found = value(row[at[0]]) if at else None
        return found if found is not None and isfinite(found) else None

    sd, lower, upper = beside("sd"), beside("lower"), beside("upper")
    if sd is None and lower is not None and upper is not None:
        sd = (upper - lower) / 3.92
    if sd is None:
        return Allowed(general)
    error = ERRORS * sd / sqrt(beside("ess_bulk") or ESS)
    return Allowed(3.0 * error if kind in ENDS else error)


def _of_share(p: float, count: float) -> float:
    return ERRORS * sqrt(max(p * (1.0 - p), 1.0 / count) / count)


def differences_of_text(saved: str, fresh: str, part: float, numbers: bool) -> Iterator[str]:
    """Of two texts without tables."""
    saved, fresh = (
        re.sub(r"\bp\s*<", "p =", _OF_THE_MACHINE.sub("...", text)) for text in (saved, fresh)
    )
    words = [" ".join(_ALONE.sub(" # ", text).split()) for text in (saved, fresh)]
    if re.sub(r"[-+=]{2,}|\s", "", words[0]) != re.sub(r"[-+=]{2,}|\s", "", words[1]):
        yield f"saved words {_short(words[0], words[1])}, fresh {_short(words[1], words[0])}"
        return
    if not numbers:
        return
    for old, new in zip(_ALONE.finditer(saved), _ALONE.finditer(fresh), strict=True):
        a, b = value(old[0]), value(new[0])
        assert a is not None
        assert b is not None
        before = saved[max(0, old.start() - 30) : old.start()]
        if not in_text(a, b, before, part).holds(a, b, last_digit(old[0])):
            yield f"saved {old[0]}, fresh {new[0]} (after {before.strip()[-25:]!r})"


def differences_of_tables(saved: Table, fresh: Table, part: float, numbers: bool) -> Iterator[str]:
    """Of two tables."""
    if saved.columns != fresh.columns:
        yield f"saved columns {saved.columns}, fresh {fresh.columns}"
        return
    if len(saved.rows) != len(fresh.rows):
        yield f"saved {len(saved.rows)} rows, fresh {len(fresh.rows)}"
        return
    for number, (old, new) in enumerate(zip(saved.rows, fresh.rows, strict=True)):
        for column, (a, b) in enumerate(zip(old, new, strict=True)):
            if saved.columns[column] in UNCOMPARED:
                continue
            where = f"row {number} ({old[0]}), column {saved.columns[column]!r}: "
            x, y = value(a), value(b)
            if x is None or y is None:
                for each in differences_of_text(a, b, part, numbers):
                    yield where + each
            elif numbers:
                allowed = in_table(saved, old, column, part)
                if not allowed.holds(x, y, last_digit(a)):
                    yield f"{where}saved {a}, fresh {b}"


def differences(saved: NotebookNode, fresh: NotebookNode) -> Iterator[str]:
    """Between the outputs of two runs of one cell."""
    part = saved.metadata.get("tolerance", PART)
    numbers = "varies" not in saved.metadata.get("tags", [])
    old, new = (_joined(cell.get("outputs", [])) for cell in (saved, fresh))
    if [kind for kind, _ in old] != [kind for kind, _ in new]:
        yield f"saved outputs {[k for k, _ in old]}, fresh {[k for k, _ in new]}"
        return
    for (kind, a), (_, b) in zip(old, new, strict=True):
        if kind == "picture":
            continue
        if kind != "page":
            yield from differences_of_text(a, b, part, numbers)
            continue
        pages = _Page(), _Page()
        for page, text in zip(pages, (a, b), strict=True):
            page.feed(text)
        yield from differences_of_text(
            "".join(pages[0].text), "".join(pages[1].text), part, numbers
        )
        if len(pages[0].tables) != len(pages[1].tables):
            yield f"saved {len(pages[0].tables)} tables, fresh {len(pages[1].tables)}"
            continue
        for one, other in zip(pages[0].tables, pages[1].tables, strict=True):
            yield from differences_of_tables(one, other, part, numbers)


def _joined(outputs: Sequence[NotebookNode]) -> list[tuple[str, str]]:
    """Kind and text of each output; what was printed piece by piece is one."""
    found: list[tuple[str, str]] = []
    for output in outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            kind, text = "printed", output.text
        elif "image/png" in data:
            kind, text = "picture", ""
        elif "<table" in data.get("text/html", ""):
            kind, text = "page", data["text/html"]
        else:
            kind, text = "text", data.get("text/markdown") or data.get("text/plain", "")
        if found and kind == found[-1][0] == "printed":
            found[-1] = ("printed", found[-1][1] + text)
        else:
            found.append((kind, text))
    return found


def _short(one: str, other: str) -> str:
    """The first of two texts from where they part."""
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    return repr(one[max(0, same - 20) : same + 60])


def stale(path: Path) -> list[str]:
    """A line for each output of a notebook that is not what its code gives now."""
    saved, fresh = nbformat.read(path, as_version=4), run(path)
    return [
        f"{path.name}, cell {number}: {each}"
        for number, (old, new) in enumerate(zip(saved.cells, fresh.cells, strict=True))
        for each in differences(old, new)
    ]


if __name__ == "__main__":
    found = []
    for path in map(Path, sys.argv[1:] or sorted(HERE.glob("*.ipynb"))):
        print(path.name, flush=True)
        found += stale(path)
    print("\n".join(found))
    sys.exit(f"{len(found)} saved outputs are not those of the code" if found else 0)
