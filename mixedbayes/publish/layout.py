"""Columns of models side by side: rows, labels and rounded cells, in no format yet."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from mixedbayes import names
from mixedbayes.errors import ModelError
from mixedbayes.interop.writing import parts
from mixedbayes.publish import digits as rounding
from mixedbayes.publish.digits import Asked, Numbers
from mixedbayes.publish.entries import (
    COVARIANCES,
    DATA,
    FAMILY,
    FURTHER,
    GROUPS,
    POPULATION,
    SMOOTHS,
    THRESHOLDS,
    Column,
    Entry,
    Key,
)

TIMES = " × "
_ORDER = ("rows", "responses", "trials", "levels", "icc", "r2", "elpd")  # of the last section


@dataclass(frozen=True)
class Cell:
    """What stands in a model's two columns: an estimate or a count, and an interval or an error."""

    estimate: str = ""
    interval: str = ""


@dataclass(frozen=True)
class Row:
    """A label and a cell for each model; a heading has none."""

    label: str
    cells: tuple[Cell, ...] = ()
    indent: int = 0


@dataclass(frozen=True)
class Section:
    """Rows under a title."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Head:
    """Above a model's columns: its name, and what its two columns are."""

    name: str
    estimate: str
    interval: str


@dataclass(frozen=True)
class Layout:
    """A table before it is written: what every format shows."""

    title: str
    heads: tuple[Head, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...]
    frame: pd.DataFrame = field(repr=False, compare=False)


@dataclass(frozen=True)
class Labels:
    """The user's texts for terms, grouping factors and parameters."""

    given: Mapping[str, str]

    @classmethod
    def of(cls, given: Mapping[str, str] | None, columns: Sequence[Column]) -> Labels:
        """ModelError unless every label is of something that a model has."""
        given = {} if given is None else given
        if not isinstance(given, Mapping) or not all(
            isinstance(k, str) and isinstance(v, str) for k, v in given.items()
        ):
            raise ModelError(
                f"labels={given!r}: give a text for each term, such as "
                'labels={"Days": "Days of deprivation"}'
            )
        known = {name for c in columns for e in c.entries for name in _named(e.key)}
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1)
                meant = f" Did you mean {near[0]!r}?" if near else ""
                raise ModelError(
                    f"labels: no model here has a term, grouping factor or parameter {name!r}."
                    f"{meant} There are {', '.join(sorted(known))}"
                )
        return cls(given)

    def term(self, term: str) -> str:
        """A column of the formula; of a product each factor by itself."""
        if term in self.given:
            return self.given[term]
        return TIMES.join(self._factor(part) for part in parts(term))

    def _factor(self, part: str) -> str:
        if part in self.given:
            return self.given[part]
        name, level = _variable(part)
        return f"{self.given[name]}{level}" if level and name in self.given else part

    def name(self, name: str) -> str:
        """A grouping factor or a parameter."""
        return self.given.get(name, name)


def _variable(part: str) -> tuple[str, str]:
    """ "recipe" and "[B]" of "recipe[B]"."""
    at = part.find("[")
    return (part[:at], part[at:]) if at > 0 and part.endswith("]") else (part, "")


def _named(key: Key) -> Iterator[str]:
    if key.kind in ("effect", *COVARIANCES):
        for term in key.terms:
            yield term
            for part in parts(term):
                yield part
                yield _variable(part)[0]
    if key.kind == "parameter":
        yield key.terms[0]
        yield key.terms[-1]
    if (key.kind in ("sd", "levels") and key.heading) or key.section == FURTHER:
        yield key.heading


# ---- rows --------------------------------------------------------------------------------------


def merged(lists: Sequence[Sequence[Key]]) -> list[Key]:
    """Every key once, in an order that keeps each list's as far as they agree.

    What a list has that those before it lack stands before the next that they share with it.
    """
    out: list[Key] = []
    for keys in lists:
        at = 0
        for key in keys:
            if key in out:
                at = out.index(key) + 1
                continue
            while at < len(out) and out[at] not in keys:
                at += 1
            out.insert(at, key)
            at += 1
    return out


def sections(
    columns: Sequence[Column], labels: Labels, digits: int
) -> tuple[tuple[Section, ...], pd.DataFrame]:
    """The rows of all models by section, and the same numbers as a data frame."""
    entries = [{e.key: e for e in c.entries} for c in columns]
    keys = merged([list(e) for e in entries])
    several = any(len(_factors(c)) > 1 for c in columns) or len({*map(_factors, columns)}) > 1
    if not any(len(_factors(c)) > 1 for c in columns):
        keys = [k for k in keys if not (k.kind == "icc" and k.terms)]  # of all is that of the one
    found: list[Section] = []
    table: list[dict[str, object]] = []
    for section in (POPULATION, FURTHER, THRESHOLDS, GROUPS, SMOOTHS, FAMILY, DATA):
        own = [k for k in keys if k.section == section]
        if section == DATA:
            own.sort(key=lambda k: _ORDER.index(k.kind))
        if section == GROUPS:  # of one factor together, its correlations last
            factors = list(dict.fromkeys(k.heading for k in own))
            own.sort(key=lambda k: (factors.index(k.heading), k.kind != "sd"))
        for heading in dict.fromkeys(k.heading for k in own) if section == FURTHER else [""]:
            chosen = [k for k in own if section != FURTHER or k.heading == heading]
            having = [c for c, e in zip(columns, entries, strict=True) if {*chosen} & {*e}]
            title = _title(section, heading, having, labels)
            rows: list[Row] = []
            under = ""
            for key in chosen:
                if section == GROUPS and key.heading != under:
                    under = key.heading
                    rows.append(Row(labels.name(under)))
                label = label_of(key, columns, labels, several)
                cells = _cells([e.get(key) for e in entries], columns, digits)
                rows.append(Row(label, cells, indent=int(section == GROUPS)))
                for column, e, cell in zip(columns, entries, cells, strict=True):
                    if key in e:
                        table.append(_record(title, label, column, e[key], cell))
            if rows:
                found.append(Section(title, tuple(rows)))
    heads = ["section", "group", "parameter", "kind", "term", "label", "model", "estimate", "sd",
             "lower", "upper", "mcse", "shown"]  # fmt: skip
    return tuple(found), pd.DataFrame(table, columns=heads)


def _factors(column: Column) -> tuple[str, ...]:
    return tuple(g.name for g in column.post.design.mu.factors)


def _title(section: str, heading: str, columns: Sequence[Column], labels: Labels) -> str:
    if section == FURTHER:
        links = dict.fromkeys(
            c.post.family.predictor_scale(heading)
            for c in columns
            if heading in [p.parameter for p in c.post.predictors]
        )
        return f"Population effects on {labels.name(heading)}, {' or '.join(links)} scale"
    said = {
        POPULATION: "Population effects",
        THRESHOLDS: "Thresholds",
        GROUPS: "Group effects",
        SMOOTHS: "Smooths: how far they bend",
        FAMILY: "Family",
        DATA: "Data and fit",
    }[section]
    return said + _scales(columns, ratios=section == POPULATION) * (section not in (FAMILY, DATA))


def _scales(columns: Sequence[Column], *, ratios: bool) -> str:
    """On which scale numbers are, where that is not the response's own; in whose columns."""
    found: dict[str, list[str]] = {}
    for c in columns:
        link = c.post.family.mean_link
        scale = "" if link == "identity" else f"{link} scale"
        if ratios and c.ratio:
            scale = c.ratio.name
        found.setdefault(scale, []).append(c.name)
    if len(found) < 2:
        return "".join(f", {scale}" for scale in found if scale)
    said = (f"{scale} in {', '.join(of)}" for scale, of in found.items() if scale)
    return f" ({'; '.join(said)})"


_COUNTED = {
    "rows": "Rows", "responses": "Responses", "trials": "Trials", "elpd": "elpd (leave-one-out)"
}  # fmt: skip


def label_of(key: Key, columns: Sequence[Column], labels: Labels, several: bool) -> str:
    """The text of a row; `several`: whether the models have more than one grouping factor."""
    if key.kind == "effect":
        return labels.term(key.terms[0])
    if key.kind in COVARIANCES:
        of = "" if key.parameter == "mu" else f" ({labels.name(key.parameter)})"
        return f"{key.kind} {', '.join(map(labels.term, key.terms))}{of}"
    if key.kind == "parameter":
        return _parameter(key, columns, labels)
    if key.kind == "levels":
        return f"Levels of {labels.name(key.heading)}"
    of = "" if key.parameter == "mu" else f", {labels.name(key.parameter)}"
    if key.kind == "icc":
        if key.terms:
            return f"ICC, all groups{of}"
        return f"ICC, {labels.name(key.heading)}{of}" if several else f"ICC{of}"
    if key.kind == "r2":
        return f"R², {key.heading}{of}"
    return _COUNTED[key.kind]


def _parameter(key: Key, columns: Sequence[Column], labels: Labels) -> str:
    name = key.terms[0]
    if key.section == THRESHOLDS:
        return labels.given.get(key.terms[-1], key.terms[-1])
    if len(key.terms) > 1:
        return f"{labels.name(name)} {key.terms[1]}"
    words = {
        c.post.family.dispersion_words
        for c in columns
        if name == names.SIGMA and name in c.post.family.parameters
    }
    if name in labels.given or len(words) != 1:
        return labels.name(name)
    return f"{name}, {words.pop()}"


# ---- cells -------------------------------------------------------------------------------------


def _cells(row: Sequence[Entry | None], columns: Sequence[Column], digits: int) -> tuple[Cell, ...]:
    at = [k for k, e in enumerate(row) if e is not None and e.numbers is not None]
    own = [n for e in row if e is not None and (n := e.numbers) is not None]
    scales = [_scale(columns[k]) for k in at]
    decimals = dict(zip(at, rounding.of_row(own, scales, digits), strict=True))
    return tuple(_cell(e, decimals.get(k), digits) for k, e in enumerate(row))


def _scale(column: Column) -> object:
    """Cells of models with the same are in one unit."""
    return column.post.design.response, column.post.family.link.name, column.ratio


def _cell(entry: Entry | None, decimals: int | None, digits: int) -> Cell:
    if entry is None:
        return Cell()
    if entry.count is not None:
        return Cell(f"{entry.count:,}")
    if entry.score is not None:
        value, se = entry.score
        places = rounding.places(se, 0.0)
        return Cell(rounding.number(value, places), f"SE {rounding.number(se, places)}")
    if entry.numbers is None:
        return Cell()
    n = entry.numbers
    estimate, lower, upper = rounding.shown(n, decimals, digits)
    if n.lower == n.upper:  # known without the data, as R² without predictors
        return Cell(estimate)
    return Cell(estimate, f"[{lower}, {upper}]")


def _record(title: str, label: str, column: Column, entry: Entry, cell: Cell) -> dict[str, object]:
    key, n, no = entry.key, entry.numbers, float("nan")
    if n is None:
        value, se = entry.score or (no if entry.count is None else float(entry.count), no)
        n = Numbers(value, se, no, no, (no, no, no))
    return {
        "section": title,
        "group": key.heading or None if key.kind in (*COVARIANCES, "levels", "icc") else None,
        "parameter": key.parameter if key.kind != "parameter" else key.terms[0],
        "kind": key.kind,
        "term": ", ".join(key.terms) or None,
        "label": label,
        "model": column.name,
        "estimate": n.estimate,
        "sd": no if n.ratio else n.sd,
        "lower": n.lower,
        "upper": n.upper,
        "mcse": n.estimate * n.errors[0] if n.ratio else n.errors[0],
        "shown": f"{cell.estimate} {cell.interval}".strip(),
    }


def heads(columns: Sequence[Column], asked: Asked) -> tuple[Head, ...]:
    """What stands above the columns."""
    return tuple(Head(c.name, "Estimate", f"{100 * asked.prob:.6g} % interval") for c in columns)
