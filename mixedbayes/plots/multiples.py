"""Small multiples: a panel for each level of a grouping factor, on shared axes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.plots import style
from mixedbayes.plots.covariate import Covariate
from mixedbayes.plots.labels import Labels
from mixedbayes.plots.ranef import chosen_groups
from mixedbayes.plots.scene import Few, Floats, Key, Panel, Sheet, Ticks, in_rows
from mixedbayes.results.posterior import Posterior

_PANEL = (1.62, 1.5)  # inches
_LARGE = (2.4, 2.2)  # of a panel where there are at most four


def sheet(
    panels: Sequence[Panel],
    axis: Covariate,
    xlabel: str,
    ylabel: str,
    keys: Sequence[Key],
    key_columns: int,
) -> Sheet:
    """Panels in rows, their axes shared."""
    n = len(panels)
    columns = n if n <= 4 else 3 if n <= 6 else 4 if n <= 12 else 6
    width, height = _PANEL if n > 4 else _LARGE
    places, limits = ticks(axis, width)
    titles = [wrapped(panel.title, width) for panel in panels]
    shown = [
        replace(panel, title=title, xticks=places, yticks=Few(4), xlim=limits, small=True)
        for panel, title in zip(panels, titles, strict=True)
    ]
    height += 0.15 * max(title.count("\n") for title in titles)
    turned = isinstance(places, Ticks) and places.turned
    longest = max(map(len, places.texts)) if isinstance(places, Ticks) else 0
    deep = longest * style.LETTER / 72 if turned else 0.0
    return Sheet(
        in_rows(shown, columns),
        width=max(4.6, width * columns + 0.5),
        height=height * -(-n // columns) + 0.8 + deep,
        share_x="all",
        share_y="all",
        xlabel=xlabel,
        ylabel=ylabel,
        keys=keys,
        key_columns=key_columns,
        keys_above=True,
    )


def wrapped(title: str, width: float) -> str:
    """A title in lines that are as wide as a panel, shortened where it would have more than 3."""
    letters = max(8, int(72 * width / (1.1 * style.LETTER)))
    lines = textwrap.wrap(title, letters, max_lines=3, placeholder=" …")
    return "\n".join(lines)


def ticks(
    axis: Covariate, width: float, most: int = 9
) -> tuple[Ticks | Few, tuple[float, float] | None]:
    """Ticks and limits of an axis: at most so many categories by name, else few numbers."""
    if axis.categories is None:
        return Few(3, whole=bool(np.all(axis.x == np.round(axis.x)))), None
    n = len(axis.categories)
    at = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
    texts = [axis.categories[i] for i in at]
    crowded = sum(len(t) + 2 for t in texts) * style.LETTER > 72 * (width - 0.3)
    return Ticks(at.astype(float), texts, turned=crowded), (-0.5, n - 0.5)


def varying_group(post: Posterior, group: str | None) -> GroupDesign:
    """The factor named; else the first with a random slope, else the first."""
    known = [post.group(name) for name in chosen_groups(post, group)]
    return next((g for g in known if any(t != names.INTERCEPT for t in g.terms)), known[0])


def shown_levels(
    post: Posterior, g: GroupDesign, levels: Sequence[object] | None, max_levels: int
) -> tuple[list[int], str]:
    """Codes of the levels to show, and what to say of the choice."""
    if levels is not None:
        at = {str(level): j for j, level in enumerate(g.levels)}
        unknown = [level for level in levels if str(level) not in at]
        if unknown or not len(levels):
            missing = ", ".join(map(str, unknown)) or "nothing"
            raise ModelError(f"levels: {missing} is not among the {g.n_levels} of {g.name}")
        return [at[str(level)] for level in levels], ""
    if max_levels < 1:
        raise ModelError(f"max_levels must be at least 1, got {max_levels}")
    if g.n_levels <= max_levels:
        return list(range(g.n_levels)), ""
    k = next((k for k, t in enumerate(g.terms) if t != names.INTERCEPT), 0)
    chosen = spanning(post.ranef(g.name)[:, :, k].mean(axis=0), max_levels)
    how = f"evenly spaced in rank of the {g.terms[k]} effect, lowest first"
    return chosen.tolist(), f"{len(chosen)} of {g.n_levels} levels, {how}"


def spanning(effect: Floats, k: int) -> np.ndarray:
    """k levels evenly spaced in the rank of their effect, lowest and highest among them."""
    order = np.argsort(effect, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, k).round().astype(int))]


def check_mean(post: Posterior) -> None:
    """Raise ModelError where the response has no mean to draw."""
    if post.family.categories(post.design) is not None:
        raise ModelError(
            f"{post.design.response} is ordered categories, which have no mean to draw; "
            "plot_fitted and plot_predictions draw the probability of each"
        )


def observed(post: Posterior) -> Floats:
    """(n,) the response; of binomial counts the share of successes."""
    d = post.design
    return d.y if d.trials is None else d.y / np.maximum(d.trials, 1)


def straight(family: Family) -> bool:
    """Whether the expected response is the linear predictor itself."""
    itself = type(family).expectation is Family.expectation
    return itself and family.link.name == "identity"


def response_axis(post: Posterior, labels: Labels) -> str:
    """The response on its own scale, and that it is, where the model works on another."""
    response = post.design.response
    if post.design.trials is not None:
        return f"{response}, proportion of trials"
    if post.family.categories(post.design) is not None:
        return f"probability of each category of {response}"
    if post.family.probability:
        found = post.design.response_levels
        return f"probability of {response}" + (f" = {found[-1]}" if found is not None else "")
    return labels.observed if straight(post.family) else f"{labels.observed}, response scale"
