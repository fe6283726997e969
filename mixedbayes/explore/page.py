"""The page: its content, look and script in one text, and that text on disk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from mixedbayes.explore.content import content
from mixedbayes.explore.lines import Lines, lines_of
from mixedbayes.explore.sums import Sums, check_model, sums_of
from mixedbayes.plots.multiples import varying_group
from mixedbayes.printable import escaped
from mixedbayes.report.page import MARK, POLICY, check_page
from mixedbayes.report.pictures import in_script
from mixedbayes.report.source import paragraph
from mixedbayes.results.files import check_file, write_file
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.text import plural

# Mathematics, words, marks and questions are functions of what they are given; the last one is the
# page's own.
SCRIPTS = ("pooled.js", "words.js", "marks.js", "questions.js", "explore.js")


def explore(
    post: Posterior,
    path: str | Path,
    *,
    group: str | None = None,
    x: str | None = None,
    title: str | None = None,
    units: Mapping[str, str] | None = None,
) -> Path:
    """Write one offline page on which the variances are moved, and every group's line follows.

    For teaching, and to see what pooling does to one's own data. Sliders move the standard
    deviations of the group effects, their correlation and sigma; below each is its posterior. A
    group's rows can be left out, halved or doubled, and the rows of somebody new typed in. Buttons
    go to the posterior mean, to complete pooling (all sds 0) and to no pooling (sds without end).
    Questions are asked whose answer is shown after the reader has chosen one. The group that lies
    furthest from the others, and a reversal of slopes where the data have one (Simpson's paradox),
    are shown on request.

    What is drawn is exact, not animated from samples: given the variances Psi and sigma^2, the
    population coefficients are their posterior mean beta = H^-1 h by generalised least squares with
    the model's priors, and the effects of a group with rows Z, X, y and weights W

        b = (Psi^-1 + Z'WZ / sigma^2)^-1  Z'W (y - X beta) / sigma^2,

    which the page computes from a few cross-products of each group, to the last digits of Python's.
    What it cannot show is the uncertainty of the variances themselves: coefficients of `coef`
    average over it, so that they differ a little from those at the posterior mean.

    The page needs no network. It holds all cross-products, of at most 400,000 numbers, and draws at
    most 6,000 rows and 120 lines; a search finds the other groups.

    Parameters
    ----------
    post
        The posterior of a Gaussian model with one or two effects per group.
    path
        Of the page; an older one is replaced when the new one is complete.
    group
        Grouping factor; by default the first with a random slope, else the first. Effects of other
        factors are held at their posterior means, and the page says so.
    x
        Name of the covariate along the axis; by default the random slope's, else the first numeric
        term, else a categorical one. Without any, groups stand beside each other.
    title
        By default the formula.
    units
        Units of columns for the axes: ``{"Reaction": "ms"}``; by default those of the data.

    Returns
    -------
    The path.

    Raises
    ------
    ModelError
        If the effects have no closed form given the variances (another family than the Gaussian
        with identity link, correlated residuals, a formula for sigma, Student-t effects, priors of
        population coefficients that are not normal, ...), a group has more than two effects, the
        model has no such group or covariate, or the page would hold too much.
    FileError
        If the folder does not exist or cannot be written, `path` is a folder, ends otherwise than
        in .html or .htm, or is a file that is no page of this package.

    See Also
    --------
    plot_shrinkage : The arrows as a picture.
    pooling : The numbers.
    report : A page about the fit.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> path = fit.explore("pooling.html")
    >>> path.name
    'pooling.html'

    A newcomer and an outlier: ``mb.load_data("sleepstudy_partial")``; a reversal:
    ``mb.fit("V2 ~ V1 + (1 | Group)", mb.load_data("simpson")).explore("simpson.html")``.

    References
    ----------
    Gelman & Pardoe (2006), doi:10.1198/004017005000000517, on pooling factors.
    """
    path = check_file(path, "explore.html")
    check_page(path, "page")
    check_model(post)
    sums = sums_of(post, varying_group(post, group))
    lines = lines_of(sums, x)
    text = html(title or post.design.formula.text, sums, lines, units)
    write_file(path, text.encode("utf-8", errors="replace"))
    return path


def html(title: str, sums: Sums, lines: Lines, units: Mapping[str, str] | None) -> str:
    """The whole page."""
    g, held = sums.group, "".join(f", effects of {name} held" for name in sums.held)
    lead = (
        f"Model of {sums.post.design.response}: {plural(sums.post.design.n, 'row')}, "
        f"{plural(g.n_levels, 'level')} of {g.name}{held}. Move the variances and see whom the "
        "model believes."
    )
    parts = {
        "mark": MARK,
        "policy": POLICY,
        "title": escaped(title),
        "lead": escaped(lead),
        "style": _asset("explore.css"),
        "method": "".join(map(paragraph, _method(sums, lines))),
        "content": in_script(content(sums, lines, units)),
        "scripts": "".join(f"<script>{_asset(name)}</script>" for name in SCRIPTS),
    }
    first, *rest = _asset("explore.html").split("{{")
    return first + "".join(parts[key] + after for key, after in (p.split("}}", 1) for p in rest))


def _method(sums: Sums, lines: Lines) -> list[str]:
    """What the page computes, in words."""
    w, g = sums.coordinates, sums.group
    said = [
        "Given the standard deviations of the group effects, their correlation and sigma, the "
        "population coefficients have a normal posterior: generalised least squares with the "
        "model's own priors. The page shows its mean. Given these, the effects of a group are "
        "normal too, and the pooled line is population + their mean. Both are computed here in "
        "closed form from each group's cross-products, with no sampling.",
        "The sliders stand for one value of each variance. The fit averages over all values that "
        "the data leave possible, the ticks below the sliders; so its coefficients differ a "
        "little from those shown at the posterior mean.",
        "A weight of 1/2 or 2 counts each row of the group so often. No pooling is the limit of "
        "sds without end; complete pooling is the limit of sds of 0.",
    ]
    if sums.held:
        said.append(
            f"Effects of {', '.join(sums.held)} are taken out of {sums.post.design.response} at "
            "their posterior means, and do not move with the sliders."
        )
    if sums.sigma is None:
        said.append("The variances of the rows are known, so that there is no sigma to move.")
    if w.at is not None:
        said.append(
            f"Zero is far from all values of {w.at[0]}. {g.terms[0]} is shown at "
            f"{w.at[0]} = {w.at[1]:g} here, with its sd and correlation there."
        )
    if sums.post.design.mu.offset is not None:
        said.append(f"The offset is taken out of {sums.post.design.response}.")
    if lines.left_out:
        said.append(
            f"{plural(lines.left_out, 'row')} of {len(sums.y):,} are not drawn, so that the page "
            "stays small. All are in the cross-products."
        )
    return said


@cache
def _asset(name: str) -> str:
    return files("mixedbayes.explore").joinpath("assets", name).read_text(encoding="utf-8")
