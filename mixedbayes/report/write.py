"""A report on disk: written under a temporary name, then renamed."""

from __future__ import annotations

from pathlib import Path

from mixedbayes.report.page import html
from mixedbayes.report.sections import parts
from mixedbayes.report.source import Source
from mixedbayes.results.files import check_file, write_file
from mixedbayes.results.tables import check_prob
from mixedbayes.results.text import plural


def report(path: str | Path, source: Source, *, title: str | None, checks: bool) -> Path:
    """Write the page of one fit.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written, or `path` is a folder.
    ModelError
        If `prob` is not a probability.
    """
    path = check_file(path, "report.html")
    check_prob(source.prob)
    design = source.post.design
    text = html(title or design.formula.text, _lead(source), parts(source, checks=checks))
    write_file(path, text.encode("utf-8", errors="replace"))
    return path


def _lead(source: Source) -> str:
    design, family = source.post.design, source.post.family
    groups = {g.name: g.n_levels for p in source.post.predictors for g in p.groups}
    said = ", ".join(f"{plural(n, 'level')} of {name}" for name, n in groups.items())
    rows = plural(design.n, "row")
    return f"{family.name} model of {design.response}: {rows}" + (f", {said}." if said else ".")
