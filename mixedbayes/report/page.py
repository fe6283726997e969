"""The page: its sections, its look and its script in one text, and that text on disk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from mixedbayes.errors import FileError
from mixedbayes.printable import escaped
from mixedbayes.report.sections import Part, parts
from mixedbayes.report.source import Source
from mixedbayes.results.files import check_file, write_file
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import check_prob
from mixedbayes.results.text import plural

# Nothing may be loaded from anywhere: what the page needs is in it.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
MARK = '<meta name="generator" content="mixedbayes">'  # by which a report of ours is known
_START = 4096  # bytes at the start of a page that have it
ENDINGS = (".html", ".htm")
ICON = "data:,"  # else browsers ask the server for one


def report(
    post: Posterior,
    path: str | Path,
    *,
    prob: float = 0.95,
    title: str | None = None,
    units: Mapping[str, str] | None = None,
    checks: bool = True,
) -> Path:
    """Write one self-contained HTML page about the fit, which needs no network to be read.

    Summary; the model's equations and priors; interactive pictures of the population effects, of
    means and comparisons of each population predictor, of shrinkage, pooling and group effects,
    where the pointer names the group and tells its numbers; every table, to filter and sort; the
    data beside replicates, residuals, and the checks of `check` in words; convergence; seed,
    settings, versions and the code of the same fit. What the model does not have is named with the
    reason. The page holds the script that draws its pictures, of 5 MB; it holds the data of at most
    300 levels of each grouping factor, and at most 3,000 rows of each table. Of several responses
    each has its own pictures. Of data that were read in batches residuals, replicates and checks
    are those of 5,000 rows, evenly spread, which are read again, and pictures of single levels are
    left out.

    Parameters
    ----------
    post
        The posterior.
    path
        Of the page; an older one is replaced when the new one is complete.
    prob
        Probability of all intervals.
    title
        By default the formula.
    units
        Units of columns for the axes: ``{"Reaction": "ms"}``; by default those of the data.
    checks
        Whether to run `check`, which takes most of the time.

    Returns
    -------
    The path.

    Raises
    ------
    FileError
        If the folder does not exist or cannot be written, `path` is a folder, ends otherwise than
        in .html or .htm, or is a file that is no report of this package.
    ModelError
        If `prob` is not a probability between 0 and 1, or it is not known how the posterior was
        made.

    See Also
    --------
    explore : A page on which variances are moved.
    table : Tables for papers.
    methods : The text for papers.
    save : The fit itself, to be loaded again.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> path = fit.report("sleep.html", title="Sleep deprivation", checks=False)
    >>> path.name
    'sleep.html'
    """
    path = check_file(path, "report.html")
    check_page(path)
    check_prob(prob)
    source = Source(post, units, prob)
    design = source.post.design
    text = html(title or design.formula.text, _lead(source), parts(source, checks=checks))
    write_file(path, text.encode("utf-8", errors="replace"))
    return path


def check_page(path: Path, what: str = "report") -> None:
    """FileError where a report would be another kind of file, or replace what is no report.

    `what` is the word for other pages than reports.
    """
    if path.suffix.lower() not in ENDINGS:
        kind = f"a file {path.suffix}" if path.suffix else "a file without an ending"
        raise FileError(
            f"{path.name}: a {what} is a page of HTML, not {kind}; call it "
            f"{path.with_suffix('.html').name}, which a browser prints as PDF"
        )
    if not path.is_file():
        return
    with path.open("rb") as file:
        start = file.read(_START)
    if start and MARK.encode() not in start:
        raise FileError(
            f"{path} is there and is no {what} of mixedbayes, so it is not replaced; choose "
            "another name, or remove it"
        )


def _lead(source: Source) -> str:
    design, family = source.post.design, source.post.family
    groups = {g.name: g.n_levels for p in source.post.predictors for g in p.factors}
    said = ", ".join(f"{plural(n, 'level')} of {name}" for name, n in groups.items())
    every = design.several
    if every is None:
        what, rows = f"{family.name} model of {design.response}", plural(design.used, "row")
    else:
        what = f"Model of {', '.join(every.names)} ({family.described})"
        rows = f"{plural(every.m, 'row')} with {plural(design.n, 'response')}"
    return f"{what}: {rows}" + (f", {said}." if said else ".")


def html(title: str, lead: str, sections: list[Part]) -> str:
    """The whole page."""
    links = "".join(f'<a href="#{p.key}">{escaped(p.title)}</a>' for p in sections)
    body = "".join(
        f'<section id="{p.key}"><h2>{escaped(p.title)}</h2>{p.body}</section>' for p in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{MARK}"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="{ICON}"><title>{escaped(title)}</title>'
        f"<style>{_asset('report.css')}</style></head><body>"
        f'<header><h1>{escaped(title)}</h1><p class="lead">{escaped(lead)}</p></header>'
        f"<nav>{links}</nav><main>{body}</main>"
        f"<script>{_plotly_script()}</script><script>{_asset('report.js')}</script>"
        "</body></html>\n"
    )


@cache
def _asset(name: str) -> str:
    return files("mixedbayes.report").joinpath("assets", name).read_text(encoding="utf-8")


def _plotly_script() -> str:
    """plotly.js as it comes with the Python package."""
    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
