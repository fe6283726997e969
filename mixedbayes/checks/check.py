"""The checks of one fit, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.checks import read_again
from mixedbayes.checks.assumptions import (
    FEW_LEVELS,
    counts,
    dispersion_of_categories,
    location,
    normality,
    scale,
    shape,
)
from mixedbayes.checks.elpd import Loo
from mixedbayes.checks.group_density import group_obstacle
from mixedbayes.checks.held_out import OBSERVATION
from mixedbayes.checks.loo import weighted
from mixedbayes.checks.order import Order, autocorrelation, given_order
from mixedbayes.checks.own import Own
from mixedbayes.checks.proposals import ends
from mixedbayes.checks.report import CheckReport, Finding
from mixedbayes.checks.residual import chi_squared, effects, residuals
from mixedbayes.checks.rows_of_several import first_rows, of_the_frame
from mixedbayes.checks.sensitivity import (
    CONFLICT,
    DRIVEN,
    SAYS_LITTLE,
    SENSITIVE,
    SENSITIVE_DEFAULT,
    overlap,
    prior_sensitivity,
)
from mixedbayes.checks.weighing import FEWEST_DRAWS
from mixedbayes.checks.within import within_between
from mixedbayes.design.types import Design, Floats, GroupDesign
from mixedbayes.predict.streams import seed_of
from mixedbayes.results.own_priors import quantities
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.several import each
from mixedbayes.results.summary import diagnostics
from mixedbayes.results.text import plural
from mixedbayes.results.variance import covariance

LARGE_VIF = 10.0
MOST_DENSITIES = 4e7  # rows x draws for which single observations are scored
MOST_INTEGRALS = 2e6  # rows x draws for which group effects are integrated by quadrature
MOST_LEVELS = 2000


def check(
    post: Posterior,
    *,
    order: Any = None,
    seed: int | None = None,
    progress: bool = True,
) -> CheckReport:
    """Assumptions, influence and what the priors decide: one sentence each, with its numbers.

    Convergence; residual against fitted, quantiles of residuals, scale against fitted; zeros,
    dispersion and the largest of counts; autocorrelation of residuals; quantiles of group effects;
    slopes within and between groups; collinearity; levels per factor; what the data say about sds
    and correlations; sensitivity to the prior; influence of observations and of groups. Of several
    responses each has its own residuals and predictors, and an observation is a row with all that
    are known. It is kept with the posterior: asking again takes no time.

    Of data that were read in batches some rows are read again: residuals are those of 5,000 rows,
    evenly spread as they are where as many are in memory, and of whole levels what follows in
    time; single observations are scored up to 40 million rows x draws. Slopes within and between
    groups and the influence of groups are not looked at.

    Parameters
    ----------
    post
        The posterior.
    order
        In which order rows follow each other, for the autocorrelation of their residuals: values of
        the rows, ``order=data["week"]``, or the name of a column that the model reads. By default
        that of a predictor that looks like time, else that of the rows; the sentence says which.
    seed
        Of the replicates; by default the fit's.
    progress
        Show how far it is where it takes more than some seconds.

    Returns
    -------
    CheckReport
        It prints itself, also in HTML; `tables` has the numbers, and `plot_check` draws it.

    Raises
    ------
    ModelError
        `order` is no such column, or has not one value that sorts for each row; of data that were
        read in batches it is no column's name.

    See Also
    --------
    plot_check : Its picture.
    pp_check : Replicates beside the data.
    diagnostics : The sampler alone.
    loo : Influence of rows and groups.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> report = fit.check(order="Days")
    >>> report.verdict
    '13 checks, ... want a look: Quantiles of residuals, Scale against fitted...'
    >>> [f.title for f in report.findings][:6]
    ['Convergence', 'Residuals against fitted', 'Quantiles of residuals', 'Scale against fitted',
    'Autocorrelation', 'Effects of Subject: Intercept']
    >>> report.tables["Levels"]
         group  levels  fewest  median  most  single
    0  Subject      18      10    10.0    10       0

    `print(report)` has a sentence for each.
    """
    number = seed_of(post, seed)
    if post.design.without_rows:
        read_again.check_order(post, order)
        key = ("check", number, order)
        found = post.once(key, lambda: tuple(_findings_again(post, number, order, progress)))
        return CheckReport(tuple(replace(f, table=f.table.copy()) for f in found))
    given = None if order is None else given_order(of_the_frame(post.design), order)
    key = ("check", number, given and given.key)
    found = post.once(key, lambda: tuple(_findings(post, number, given, progress)))
    return CheckReport(tuple(replace(f, table=f.table.copy()) for f in found))


_UNORDERED = (
    "Categories without an order have no residuals. pp_check() compares their shares with "
    "replicated ones, loo() and mb.compare() models with one another."
)


def _findings(post: Posterior, seed: int, order: Order | None, progress: bool) -> Iterator[Finding]:
    yield convergence(post)
    kept = _kept(post)
    every = {"": post} if post.design.several is None else each(post)
    if kept:
        for name, own in every.items():
            yield from _named(name, _rows(own, seed, order))
        yield from _normal_effects(post, seed)
        for name, own in every.items():
            if not own.family.unordered:
                yield from _named(name, filter(None, [within_between(own)]))
    for name, own in every.items():
        yield from _named(name, [collinearity(own.design)])
    if post.design.mu.factors:
        yield levels(post.design)
        yield information(post)
    if kept and post.n_draws >= FEWEST_DRAWS:
        influential = list(_influence(post, progress))  # which sums the log likelihood up
        yield sensitivity(post)
        yield from influential
    if not kept:
        yield _without_effects()


def _kept(post: Posterior) -> bool:
    """Whether there are draws of all group effects."""
    return all(post.has_ranef(g.name, p.parameter) for p in post.predictors for g in p.groups)


def _without_effects() -> Finding:
    return Finding(
        "Not checked",
        "Residuals, group effects, prior sensitivity and influence need draws of the group "
        'effects, and only summaries were kept; fit with effects="draws".',
        True,
        pd.DataFrame(),
    )


def _findings_again(
    post: Posterior, seed: int, order: str | None, progress: bool
) -> Iterator[Finding]:
    """Of data that were read in batches, some rows of which are read once more."""
    yield convergence(post)
    kept = _kept(post)

    def rows(spread: Posterior, whole: Posterior | None) -> Iterator[Finding]:
        found = residuals(spread, seed)
        yield from (location(found), shape(found, spread), scale(found))
        yield from filter(None, [ends(found, spread)])
        own = whole or spread
        given = None if order is None else given_order(own.design, order)
        yield from filter(None, [autocorrelation(own, residuals(own, seed), seed, given)])

    if kept:
        yield from read_again.of_rows(post, "Residuals", rows)
        yield from _normal_effects(post, seed)
    yield collinearity(post.design)
    if post.design.mu.factors:
        yield levels(post.design)
        yield information(post)
    if kept and post.n_draws >= FEWEST_DRAWS:
        if post.design.standing is not None and post.design.standing.apart is None:
            yield sensitivity(post)
        if post.design.used * post.n_draws <= MOST_DENSITIES:
            yield from read_again.of_rows(
                post,
                "Influential observations",
                lambda *_: iter([read_again.influence(post, progress)]),
            )
        yield read_again.not_checked()
    if not kept:
        yield _without_effects()


def _named(response: str, found: Iterable[Finding]) -> Iterator[Finding]:
    """Findings of one of several responses, with its name."""
    return (replace(f, title=f"{response}: {f.title}") if response else f for f in found)


def _rows(post: Posterior, seed: int, order: Order | None) -> Iterator[Finding]:
    """The rows of one response beside what the model says of them."""
    if post.family.unordered:
        totals = post.family.totals(post.design) if post.family.columns else None
        if totals is not None and np.any(totals > 1):
            yield dispersion_of_categories(chi_squared(post, seed), post)
        else:
            yield Finding("Not checked", _UNORDERED, False, pd.DataFrame())
        return
    found = residuals(post, seed)
    yield from (location(found), shape(found, post), scale(found))
    yield from counts(found, post)
    yield from filter(None, [ends(found, post)])
    yield from filter(None, [autocorrelation(post, found, seed, order)])


def _normal_effects(post: Posterior, seed: int) -> Iterator[Finding]:
    """Of every term of every factor, on every parameter."""
    for p in post.predictors:
        for g in p.factors:
            yield from (normality(e) for e in effects(post, g, seed, p.parameter))


def convergence(post: Posterior) -> Finding:
    """The sampler's own checks."""
    report = diagnostics(post)
    said = str(report).splitlines()[0] if report.ok else " ".join(report.messages)
    table = report.table.reset_index(names="quantity")
    return Finding("Convergence", said, not report.ok, table)


# ---- design -----------------------------------------------------------------------------------


def collinearity(design: Design) -> Finding:
    """Can the predictors be told apart? Variance inflation factors, 1 / (1 - R^2)."""
    X, terms = design.mu.X, design.mu.terms
    title = "Collinearity"
    if len(terms) < 2:
        said = "There is at most one predictor." if len(terms) else "There are no predictors."
        return Finding(
            title, said, False, pd.DataFrame({"term": terms, "vif": np.ones(len(terms))})
        )
    vif = variance_inflation(X, design.mu.counts)
    table = pd.DataFrame({"term": terms, "vif": vif}).sort_values("vif", ascending=False)
    high = table[table["vif"] > LARGE_VIF]
    if len(high):
        named = ", ".join(f"{t} ({v:.0f})" for t, v in high.itertuples(index=False))
        said = (
            f"Hard to tell apart (variance inflation factor above {LARGE_VIF:.0f}): {named}. Their "
            "effects are uncertain one by one, not together."
        )
    else:
        said = (
            f"The largest variance inflation factor is {vif.max():.1f}; the columns are distinct."
        )
    return Finding(title, said, bool(len(high)), table)


def variance_inflation(X: Floats, counts: Floats | None = None) -> Floats:
    """(p,) diagonal of the inverse of the columns' correlation matrix; inf where it has none.

    Row i counts `counts` (n,) times.
    """
    cov = covariance(X, counts)
    sd = np.sqrt(np.diag(cov))
    out = np.full(X.shape[1], np.inf)
    varying = sd > 0
    correlation = (cov / np.outer(sd, sd))[np.ix_(varying, varying)]
    values, vectors = np.linalg.eigh(correlation)
    out[varying] = np.sum(vectors**2 / np.maximum(values, 1e-15), axis=1)
    return out


def levels(design: Design) -> Finding:
    """How many levels, and how many rows each? A row that counts several times is as many."""
    groups = tuple(design.mu.factors)
    if design.several is not None:  # whose rows are those of the frame
        groups = tuple(g.take(first_rows(design)) for g in groups)
    table = pd.DataFrame([_level_row(g, design.repeats) for g in groups])
    few = table[table["levels"] < FEW_LEVELS]
    counted = "; ".join(
        f"{r.group} has {plural(r.levels, 'level')} of {_range(r.fewest, r.most)}"
        for r in table.itertuples()
    )
    said = f"{counted}."
    if len(few):
        said += (
            f" So few levels of {', '.join(few['group'])} say little about their spread, which "
            "rests on its prior."
        )
    return Finding("Levels", said, bool(len(few)), table)


def _level_row(g: GroupDesign, repeats: Floats | None) -> dict[str, object]:
    if repeats is None or len(g.pieces) > 1 or g.counts is not None:
        n = g.rows_per_level
    else:
        n = np.round(np.bincount(g.refs, repeats, g.n_levels)).astype(int)
    return {
        "group": g.name,
        "levels": g.n_levels,
        "fewest": int(n.min()),
        "median": float(np.median(n)),
        "most": int(n.max()),
        "single": int(np.sum(n == 1)),
    }


def _range(low: int, high: int) -> str:
    return plural(low, "row") if low == high else f"{low:,} to {high:,} rows"


# ---- priors -----------------------------------------------------------------------------------


def information(post: Posterior) -> Finding:
    """What do the data add to the priors of sds and correlations?"""
    found = [q for q in quantities(post) if q.kind in ("sd", "cor")]
    table = pd.DataFrame(
        {
            "parameter": [q.said[0] for q in found],
            "term": [q.said[1] for q in found],
            "overlap": [overlap(q) for q in found],
        }
    )
    weak = [q.label for q, o in zip(found, table["overlap"], strict=True) if o > SAYS_LITTLE]
    if weak:
        said = (
            f"The data say little about {', '.join(weak)}: prior and posterior overlap by more "
            f"than {100 * SAYS_LITTLE:.0f} %."
        )
    else:
        most = float(np.nanmax(table["overlap"])) if table["overlap"].notna().any() else 0.0
        said = (
            "The data say much more than the priors about every sd and correlation (overlap of "
            f"prior and posterior at most {100 * most:.0f} %)."
        )
    return Finding("Sds and correlations", said, bool(weak), table)


def sensitivity(post: Posterior) -> Finding:
    """Does a slightly weaker or stronger prior move the posterior?

    A default prior lies where the data are, and does not contradict them; it wants a look where it
    counts for more than a little, or more than they do.
    """
    table, title = prior_sensitivity(post), "Prior sensitivity"
    label = table["parameter"] + table["term"].map(lambda t: f"[{t}]" if t else "")
    given = np.array([q.given for q in quantities(post)])
    driven = table["says"] == DRIVEN
    apart = (table["says"] == CONFLICT) & (given | (table["prior"] >= SENSITIVE_DEFAULT))
    parts = [
        f"{meaning}: {', '.join(label[which])}"
        for which, meaning in (
            (driven, "driven by the prior"),
            (apart, "pulled apart by prior and data"),
        )
        if which.any()
    ]
    if parts:
        said = f"Sensitive to the strength of the priors, {'; '.join(parts)}. Are these priors"
        return Finding(title, f"{said} meant?", True, table)
    little, most = table["says"] == CONFLICT, table["prior"].max()
    if little.any():
        said = (
            f"Default priors count a little for {', '.join(label[little])} (sensitivity up to "
            f"{most:.2f}, limit {SENSITIVE_DEFAULT})."
        )
    else:
        said = (
            f"No parameter is sensitive to the strength of the priors (at most {most:.2f}, limit "
            f"{SENSITIVE})."
        )
    return Finding(title, said, False, table)


# ---- influence --------------------------------------------------------------------------------


def _influence(post: Posterior, progress: bool) -> Iterator[Finding]:
    design, draws, integrals = post.design, post.n_draws, len(Own.of(post).rows)
    quick = post.closed_form
    targets = []
    if design.n * draws <= MOST_DENSITIES and (quick or integrals * draws <= MOST_INTEGRALS):
        targets = [OBSERVATION]
    if quick or design.n * draws <= MOST_INTEGRALS:
        targets += [
            g.name
            for g in design.mu.factors
            if g.n_levels <= MOST_LEVELS and group_obstacle(post, g.name) is None
        ]
    for target in targets:
        yield influence(weighted(post, target, progress=progress))


def influence(found: Loo) -> Finding:
    """Of whom can weights not tell what the others say without them?"""
    high, held_out = found.high, found.held_out
    if len(high):
        k, one = float(np.asarray(found.pareto_k)[high[0]]), held_out.count(high) == 1
        which = held_out.names(high)
        alone = which if held_out.by_observation else f"{held_out.target} {which}"
        who = alone if one else f"{held_out.count(high):,} {held_out.whats} ({which})"
        target = "" if held_out.by_observation else f"{held_out.target!r}, "
        said = (
            f"Pareto k of {who} is {'' if one else 'up to '}{k:.2f}, "
            f"above its limit {found.good_k:.2f}: weights cannot tell reliably what the posterior "
            f"is without {'it. It' if one else 'each. They'} may be unusual, or simply weigh much; "
            f"loo({target}refit=True) fits without {'it' if one else 'each'}."
        )
    else:
        said = found.verdict
    return Finding(f"Influential {held_out.whats}", said, bool(len(high)), found.influence)
