"""Pictures of the page that say what the model is about: effects, means, comparisons, fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mixedbayes.checks.read_again import at_hand
from mixedbayes.checks.residual import thinned
from mixedbayes.design.used import used_columns
from mixedbayes.errors import ModelError
from mixedbayes.estimands.grid import Columns, shown
from mixedbayes.estimands.means import means, slopes
from mixedbayes.estimands.result import Estimates
from mixedbayes.families.links import Log, Logit
from mixedbayes.plots import fixef, residuals, style
from mixedbayes.plots.along import has_average
from mixedbayes.plots.atoms import between
from mixedbayes.plots.estimates import sheet
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.multiples import observed
from mixedbayes.plots.ranef import interval_keys
from mixedbayes.plots.replicates import how_many, replicates_panels
from mixedbayes.plots.scene import Band, Dots, Line, Panel
from mixedbayes.report.pictures import Figure, figure
from mixedbayes.report.source import Source
from mixedbayes.results.posterior import Posterior

MOST_PREDICTORS = 12
_PLACES = 16  # of a line
_MOST_NUMBERS = 2 * 10**6  # rows x draws up to which there are lines
_MOST_WHOLE = 2 * 10**7  # rows x draws up to which all draws are used
_MOST_DOTS, _MOST_POINTS = 2000, 400  # of data, and of a line or band
_HEIGHT = 3.6  # inches


def population_figures(source: Source) -> list[Figure]:
    """A forest of the population effects, and of ratios where they have a meaning.

    ModelError where the model has none.
    """
    post, labels, prob = source.post, Labels.of(source.post, source.units), source.prob
    says = (
        f"Posterior mean, 50 % and {style.percent(prob)} equal-tailed interval of each population "
        "effect, on the link scale."
    )
    found = list(_forest(post, labels, prob, says, ratio=False))
    if isinstance(post.family.link, Log | Logit):
        says = (
            f"exp() of the effects: posterior median, 50 % and {style.percent(prob)} interval, on "
            "a logarithmic axis."
        )
        found += _forest(post, labels, prob, says, ratio=True)
    return found


def _forest(
    post: Posterior, labels: Labels, prob: float, says: str, *, ratio: bool
) -> Iterator[Figure]:
    for part in fixef.parts_of(post, labels, exponentiate=ratio, intercept=False):
        panel = fixef.panel(part, prob, ratio)
        keys = interval_keys(prob, [[panel]], "1" if ratio else "0")
        yield figure(part.xlabel, says, replace(panel, title=""), part.height, keys)


def estimate_figures(source: Source) -> list[Figure]:
    """Means and comparisons of every categorical predictor, means and slope of every number.

    ModelError where there is no predictor, or there are no averages over groups.
    """
    # Averages over groups through a link are quadratures in each draw.
    post = thinned(source.post) if has_average(source.post) else _some_draws(source.post)
    columns = Columns(post.design)
    fixed = used_columns(post.design.formula).fixed
    names = [n for n in dict.fromkeys(fixed) if n in columns.names and n not in columns.grouping]
    names = [n for n in names if _varies(post, columns, n)][:MOST_PREDICTORS]
    if not names:
        raise ModelError("the model has no population predictor")
    found: list[Figure] = []
    for name in names:
        make = _of_category if columns.is_category(name) else _of_number
        found += make(post, source, columns, name)
    return found


def _varies(post: Posterior, columns: Columns, name: str) -> bool:
    """Whether a column has more than one value."""
    if post.design.without_rows and not columns.is_category(name):
        low, high = columns.quantile(name, 0), columns.quantile(name, 1)
        return low < high
    return len(columns.levels(name)) > 1


def _some_draws(post: Posterior) -> Posterior:
    """A few hundred draws where all would take long."""
    return thinned(post) if post.design.n * post.n_draws > _MOST_WHOLE else post


def _of_category(post: Posterior, source: Source, columns: Columns, name: str) -> Iterator[Figure]:
    found = means(post, name, prob=source.prob, progress=False)
    yield from _figures(source, f"{name}: means", found)
    said = found.question.rstrip(".")
    against = f"{said}; each {name} against {shown(columns.levels(name)[0])}."
    # Averages are compared, so that those that are there serve.
    hows = ["difference", *filter(None, [_ratio(post)])]
    for how in hows:
        compared = replace(found.contrast("reference", name, how=how), question=against)
        yield from _figures(source, f"{name}: {how.replace('_', ' ')}s", compared)


def _ratio(post: Posterior) -> str:
    """The comparison of means that suits the link, beside the difference."""
    if post.family.categories(post.design) is not None:
        return ""
    if isinstance(post.family.link, Logit) and post.family.probability:
        return "odds_ratio"
    return "ratio" if post.family.mean_link == "log" else ""


def _of_number(post: Posterior, source: Source, columns: Columns, name: str) -> Iterator[Figure]:
    low, high = columns.quantile(name, 0), columns.quantile(name, 1)
    asked: dict[str, Any] = {"prob": source.prob, "progress": False}
    if post.design.n * post.n_draws <= _MOST_NUMBERS:
        places = np.linspace(low, high, _PLACES).tolist()
        yield from _figures(source, f"{name}: means", means(post, {name: places}, **asked))
    yield from _figures(source, f"{name}: slope", slopes(post, name, **asked))


def _figures(source: Source, title: str, found: Estimates) -> Iterator[Figure]:
    """One picture for each panel."""
    post, units = source.post, source.units
    several = post.family.categories(post.design) is not None
    behind = not several and found.kind == "means" and found.numbers == found.focal
    behind = behind and not post.design.without_rows
    data: dict[str, Any] = {"data": post.design.frame, "response": observed(post)} if behind else {}
    drawn, draws = sheet(found, units, **data), found.sampled.shape[1]
    few = "" if draws == post.n_draws else f"From {draws:,} of {post.n_draws:,} draws."
    says = " ".join(filter(None, (found.question, few, found.note)))
    axes = drawn.panels[-1]  # panels share their axes, which the last one has the names of
    for panel in drawn.panels:
        which = f", {panel.title}" if len(drawn.panels) > 1 else ""
        plain = replace(
            panel, title="", xlabel=axes.xlabel, ylabel=drawn.panels[0].ylabel, small=False
        )
        yield figure(title + which, says, _thinned(plain), _height(panel), drawn.keys)


def _height(panel: Panel) -> float:
    """Inches: of rows as many as these need."""
    if panel.y_line:
        return _HEIGHT
    assert panel.ylim is not None
    return float(np.clip(0.3 * (panel.ylim[1] - panel.ylim[0]), 1.5, 8.5))


def _thinned(panel: Panel) -> Panel:
    """With as many points as a page should hold, evenly spaced in their order."""

    def thin(mark: Any) -> Any:
        if isinstance(mark, Dots):
            at = _some(len(mark.x), _MOST_DOTS)
            color = mark.color if isinstance(mark.color, str) else [mark.color[i] for i in at]
            area = mark.area if np.ndim(mark.area) == 0 else np.asarray(mark.area)[at]
            names = [mark.names[i] for i in at] if len(mark.names) else ()
            return replace(mark, x=mark.x[at], y=mark.y[at], color=color, area=area, names=names)
        if isinstance(mark, Line) and mark.gid != "replicates":
            at = _some(len(mark.x), _MOST_POINTS)
            names = [mark.names[i] for i in at] if len(mark.names) else ()
            return replace(mark, x=mark.x[at], y=mark.y[at], names=names)
        if isinstance(mark, Band):
            at = _some(len(mark.x), _MOST_POINTS)
            return replace(mark, x=mark.x[at], lower=mark.lower[at], upper=mark.upper[at])
        return mark

    return replace(panel, marks=[thin(mark) for mark in panel.marks])


def _some(n: int, most: int) -> Sequence[int]:
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist()


def _of_draws(some: int, post: Posterior) -> str:
    every = post.n_draws
    return f"{some:,} of {every:,} draws" if some < every else f"all {every:,} draws"


def _replicates(source: Source, post: Posterior, labels: Labels) -> list[Figure]:
    """Replicates beside the data; of counts of categories a picture of each."""
    found, keys = replicates_panels(post, labels, source.prob)
    title, of = "Replicates beside the data", _of_draws(how_many(post), source.post)
    if post.family.columns:
        says = "Would counts of {} drawn from the model, of the same rows, totals and groups, look "
        says += f"like the data? Replicates of {of}."
        return [
            figure(
                f"{title}: {panel.title}", says.format(panel.title),
                _thinned(replace(panel, title="")), _HEIGHT, keys,
            )
            for panel in found
        ]  # fmt: skip
    what = f"Shares of {' and '.join(f'{a:g}' for a in post.family.atoms)}: r" if found[1:] else "R"
    says = (
        "Would responses drawn from the model, of the same rows and groups, look like the "
        f"data? {what}eplicates of {of}."
    )
    pictures = [figure(title, says, _thinned(found[0]), _HEIGHT, keys)]
    for panel in found[1:]:
        rest = between(post.family.atoms)
        says = f"The density of the responses {rest}: of the data, and of some replicates."
        pictures.append(figure(f"Responses {rest}", says, _thinned(panel), _HEIGHT, keys))
    return pictures


def check_figures(source: Source) -> list[Figure]:
    """Replicates beside the data, and residuals; ModelError where they cannot be computed."""
    post, prob = _some_draws(at_hand(source.post)), source.prob
    labels = Labels.of(post, source.units)
    pictures = _replicates(source, post, labels)
    if post.family.unordered:
        return pictures
    panels, keys = residuals.panels_of(post, None, prob, 0, labels)
    says = (
        "Residuals given the group effects; in another family than Gaussian randomised quantile "
        "residuals, standard normal where the model is right."
    )
    used = post.n_draws if post.family.normal else min(post.n_draws, residuals.REPLICATES)
    if used < source.post.n_draws:
        says += f" From {_of_draws(used, source.post)}."
    if post.design.n < source.post.design.used:
        says += f" Of {post.design.n:,} of {source.post.design.used:,} rows."
    return [*pictures, *(figure(p.title, says, _thinned(p), _HEIGHT, keys) for p in panels)]
