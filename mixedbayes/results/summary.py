"""What came out, in words and tables, and how well the sampler did."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from mixedbayes import names
from mixedbayes.printable import escaped, printable
from mixedbayes.results.described import design_facts
from mixedbayes.results.effect_summaries import has_summaries
from mixedbayes.results.fixef import family_parameters, fixef
from mixedbayes.results.icc import icc
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.r2 import r2
from mixedbayes.results.ratios import fixef_ratios, varcorr_ratios
from mixedbayes.results.several import by_response, residual_label, response_label, without_shares
from mixedbayes.results.smooths import bends
from mixedbayes.results.tables import (
    EFFECT,
    ENDS,
    HEALTH,
    Asked,
    Description,
    Interval,
    Statistics,
)
from mixedbayes.results.text import (
    WIDTH,
    Row,
    Section,
    count,
    html_facts,
    html_table,
    plural,
    rounded,
    text_facts,
    text_table,
)
from mixedbayes.results.varcorr import RESIDUAL, varcorr
from mixedbayes.results.variance import shares_note
from mixedbayes.sample.convergence import ConvergenceReport, check_convergence

_MANY = 15  # correlations of residuals that are shown, at most
_HEADS = {"prob_positive": "P(>0)"}  # where a column's name is too long for the terminal


@dataclass(frozen=True, eq=False)
class Summary:
    """Tables of one fit, with text and HTML forms.

    Attributes
    ----------
    facts
        (name, what is said about it): formula, family, rows, groups, draws.
    how
        What is said of every quantity: the columns of the tables, and the interval.
    link
        Name of the link, on whose scale the numbers are.
    levels
        Number of levels by grouping factor.
    varcorr, fixef, icc, r2
        The tables of those names; `icc` is empty for a model without group effects.
    parameters
        The family's parameters besides the mean and sigma, such as thresholds.
    health
        Sampler health.
    effects_kept
        Whether draws of the group effects were kept, not only their summaries.
    caution
        Where the shares of variance are not what they seem; mostly empty.
    others
        (parameter, its link) of the family's parameters that have formulas.
    ratios, median_ratios
        `fixef` and `varcorr` as ratios, where asked for.
    smooths
        How far the curve of each smooth bends; see `mixedbayes.results.smooths.bends`.
    residual
        What sigma is of the residual: "sd" or "scale".
    """

    facts: tuple[tuple[str, str], ...]
    how: Description
    link: str
    levels: dict[str, int]
    varcorr: pd.DataFrame
    fixef: pd.DataFrame
    parameters: pd.DataFrame
    icc: pd.DataFrame
    r2: pd.DataFrame
    health: ConvergenceReport
    effects_kept: bool = True
    caution: str = ""
    others: tuple[tuple[str, str], ...] = ()
    ratios: pd.DataFrame | None = None
    median_ratios: pd.DataFrame | None = None
    smooths: pd.DataFrame | None = None
    residual: str = "sd"

    @property
    def prob(self) -> float:
        """Probability of the intervals."""
        return self.how.prob

    @property
    def heads(self) -> tuple[str, ...]:
        """Of the columns of numbers in `sections`."""
        return tuple(_HEADS.get(name, name) for name in self._columns)

    @property
    def _columns(self) -> tuple[str, ...]:
        return (*self.how.columns, *(name for name in HEALTH if name not in self.how.columns))

    @property
    def sections(self) -> tuple[Section, ...]:
        return tuple(
            s for s in (*self._random(), *self._fixed(), self._bends(), self._shares()) if s.rows
        )

    def _random(self) -> Iterator[Section]:
        rows: list[Row] = []
        for group, levels in self.levels.items():
            rows.append(Row(f"{group} ({plural(levels, 'level')})"))
            for _, r in self.varcorr[self.varcorr["group"] == group].iterrows():
                terms = r["term"] if pd.isna(r["term2"]) else f"{r['term']}, {r['term2']}"
                rows.append(Row(f"{r['kind']:<3} {terms}", self._cells(r), indent=2))
        yield Section("Group effects", tuple(rows))

    def _fixed(self) -> Iterator[Section]:
        for parameter, link in ((names.MU, ""), *self.others):
            several = "parameter" in self.fixef
            own = self.fixef[self.fixef["parameter"] == parameter] if several else self.fixef
            title = f"Population effects on {parameter}, {link} scale"
            rows = (Row(r["term"], self._cells(r)) for _, r in own.iterrows())
            yield Section("Population effects" if parameter == names.MU else title, tuple(rows))
        yield from self._ratios()
        residual = self.varcorr[self.varcorr["group"] == RESIDUAL]
        sds = residual[residual["kind"] == "sd"].iterrows()
        sigma = [Row(residual_label(r, self.residual), self._cells(r)) for _, r in sds]
        yield Section("Residual", (*sigma, *self._correlated(residual[residual["kind"] != "sd"])))

        elements = self.parameters["element"].fillna("")
        labels = (self.parameters["parameter"] + " " + elements).str.strip()
        own = zip(labels, self.parameters.iterrows(), strict=True)
        yield Section("Family", tuple(Row(label, self._cells(r)) for label, (_, r) in own))

    def _correlated(self, found: pd.DataFrame) -> Iterator[Row]:
        """Correlations of residuals; of many, where they are found."""
        if len(found) > _MANY:
            yield Row(f"cor {len(found)} correlations, see varcorr()")
            return
        for _, r in found.iterrows():
            terms = r["term"] if pd.isna(r["term2"]) else f"{r['term']}, {r['term2']}"
            yield Row(f"{r['kind']:<3} {terms}", self._cells(r))

    def _ratios(self) -> Iterator[Section]:
        if self.ratios is not None:
            name, rows = self.ratios.columns[1], self.ratios.iterrows()
            title = f"Population effects, {name}"
            yield Section(title, tuple(Row(r["term"], self._cells(r, name)) for _, r in rows))
        if self.median_ratios is not None:
            name, rows = self.median_ratios.columns[2], self.median_ratios.iterrows()
            labels = ((f"{r['group']}: {r['term']}", r) for _, r in rows)
            title = f"Group effects, {name} of two levels"
            yield Section(title, tuple(Row(label, self._cells(r, name)) for label, r in labels))

    def _bends(self) -> Section:
        found = () if self.smooths is None else self.smooths.iterrows()
        rows = (Row(f"sd {r['smooth']}", self._cells(r)) for _, r in found)
        return Section("Smooths: how far they bend", tuple(rows))

    def _shares(self) -> Section:
        rows = []
        several = len(self.levels) > 1
        for _, r in self.icc.iterrows():
            group = f" {r['group']}" if several else ""
            rows.append(Row(f"ICC {r['kind']}{group}{response_label(r)}", self._cells(r)))
        kinds = self.r2 if self.levels else self.r2[self.r2["kind"] == "marginal"]
        labels = ((f"R2  {r['kind']}{response_label(r)}", r) for _, r in kinds.iterrows())
        rows += [Row(text, self._cells(r)) for text, r in labels]
        return Section("Shares of variance", tuple(rows))

    @property
    def footnotes(self) -> tuple[str, ...]:
        notes = [" ".join(self._about_columns())]
        if self.link != "identity":
            what = "Effects and shares of variance" if len(self.r2) else "Effects"
            notes.append(f"{what} are on the {self.link} scale.")
        notes += filter(None, (self.parameters.attrs.get("note"), self.caution))
        if self.ratios is not None:
            notes.append(
                "Ratios: posterior median and interval, exp() of those of the effect; P(>0) is "
                "that of being above 1."
                if self.how == Description(self.prob, columns=EFFECT)
                else "Ratios: the same columns, of the ratio."
            )
        if self.levels:
            notes.append(
                "Effects of each level: ranef() (deviations), coef() (with the population)."
                if self.effects_kept
                else "Effects of each level: ranef() (deviations). They were kept as summaries."
            )
        if self.smooths is not None:
            notes.append(
                "Smooths: root mean square over the rows of how far a curve bends away from what "
                "is straight in it, which is among the population effects. smooths() has the "
                "curves, edf() their effective degrees of freedom."
            )
        return tuple(notes)

    def _about_columns(self) -> Iterator[str]:
        columns = self._columns
        of_posterior = [c for c in columns if c in ("mean", "sd", "median", "mad")]
        if of_posterior:
            yield f"{', '.join(of_posterior)}: of the posterior."
        kind = "equal-tailed" if self.how.interval == "eti" else "highest-density"
        if ends := [c for c in columns if c in ENDS]:
            yield f"{', '.join(ends)}: {100 * self.prob:.6g} % {kind} interval."
        if "prob_positive" in columns:
            yield "P(>0): probability of being positive."
        if "mcse" in columns:
            yield "mcse: Monte Carlo standard error of the mean."
        yield "ess_bulk: effective number of draws. rhat: 1.00 where the chains agree."

    def _cells(self, row: pd.Series, ratio: str = "") -> tuple[str, ...]:
        """A table's row as text; a column that the table lacks is empty.

        A ratio, in the column of that name, stands first unless statistics of it are there.
        """
        unit = np.nan
        if "sd" in row:
            unit = row["sd"]
        elif "lower" in row and "upper" in row:
            unit = (row["upper"] - row["lower"]) / 4
        first = ratio if self._columns[0] not in row else ""
        cells = [_cell(name, row[name], unit) if name in row else "" for name in self._columns]
        return (rounded([row[first]], unit)[0], *cells[1:]) if first else tuple(cells)

    def __str__(self) -> str:
        health = "\n".join(_wrapped(line) for line in str(self.health).splitlines())
        notes = "\n".join(_wrapped(line) for line in self.footnotes)
        table = text_table(self.heads, self.sections)
        return printable("\n\n".join([text_facts(self.facts), table, health, notes]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p><small>{escaped(line)}</small></p>" for line in self.footnotes)
        return (
            f"<div>{html_facts(self.facts)}{html_table(self.heads, self.sections)}"
            f"{self.health._repr_html_()}{notes}</div>"
        )


def summary(
    post: Posterior,
    prob: float = 0.95,
    *,
    exponentiate: bool = False,
    statistics: Statistics = None,
    interval: Interval = "eti",
) -> Summary:
    """Group effects (sd, correlation), population effects, residual, ICC, R2 and sampler health.

    Parameters
    ----------
    post
        The posterior.
    prob
        Probability of the intervals.
    exponentiate
        Add odds, rate or hazard ratios, or ratios of means.
    statistics
        Columns in the place of mean, sd, lower, upper and, of population effects, prob_positive, by
        name: "median", "mad", "mcse", ...; see `mixedbayes.results.tables.Description`.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.

    Returns
    -------
    Summary
        It prints itself, as text and in HTML. Numbers are on the link scale and rounded so that the
        posterior sd has two digits; the tables in it are not rounded. P(>0) is the posterior
        probability that an effect is above 0.

    Raises
    ------
    ModelError
        `prob`, a statistic or the interval is not known, or exp() of an effect is no ratio.

    See Also
    --------
    describe : The same quantities as one data frame.
    diagnostics : Sampler health in full.
    table : A table for a paper.
    report : A page with pictures and checks.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.summary()
    formula  Reaction ~ Days + (Days | Subject)
    family   gaussian, identity link
    rows     180 used
    groups   Subject: 18 levels
    draws    4 chains of 1,000, mixedbayes, seed 1, Marginal()
    <BLANKLINE>
    Group effects             mean     sd  lower  upper  P(>0)  ess_bulk  rhat
      Subject (18 levels)
        sd  Intercept        31.0    7.5   19.1   48.6             3,539  1.00
        sd  Days              6.1    1.3    4.0    9.0             3,866  1.00
        cor Intercept, Days  -0.11   0.28  -0.62   0.44            3,646  1.00
    <BLANKLINE>
    Population effects
      Intercept              251.4    8.3  234.8  267.9  1.000     3,822  1.00
      Days                    10.4    1.6    7.1   13.5  1.000     4,125  1.00
    <BLANKLINE>
    Residual
      sd  sigma               25.7    1.5   23.0   28.9            4,034  1.00
    <BLANKLINE>
    Shares of variance
      ICC adjusted           0.722  0.066  0.585  0.845            3,737  1.00
      ICC unadjusted         0.528  0.089  0.362  0.716            3,837  1.00
      R2  marginal           0.272  0.074  0.128  0.417            3,947  1.00
      R2  conditional        0.800  0.042  0.711  0.876            3,637  1.00
    <BLANKLINE>
    Converged: 4 chains, 4,000 draws, 0 divergences, largest rhat 1.002, smallest ess_bulk 3,446,
    smallest ess_tail 3,377; 45 quantities.
    <BLANKLINE>
    mean, sd: of the posterior. lower, upper: 95 % equal-tailed interval. P(>0): probability of
    being
    positive. ess_bulk: effective number of draws. rhat: 1.00 where the chains agree.
    Effects of each level: ranef() (deviations), coef() (with the population).
    """
    how = Description.asked(prob, statistics, interval, default=EFFECT)
    own: Asked = {"prob": prob, "statistics": statistics, "interval": interval}
    groups = {g.name: g.n_levels for p in post.predictors for g in p.factors}
    empty = pd.DataFrame(columns=["group", "kind"])
    unknown, some = _unknown(post)
    return Summary(
        facts=tuple(_facts(post)),
        how=how,
        link=post.family.link.name,
        levels=groups,
        varcorr=varcorr(post, **own),
        fixef=fixef(post, **own),
        parameters=family_parameters(post, **own),
        icc=(by_response(icc, post, own, grouped=True) if groups and not unknown else empty),
        r2=empty if unknown else by_response(r2, post, own),
        health=diagnostics(post),
        caution=f"No shares of variance: {unknown}." if unknown else some or shares_note(post),
        effects_kept=not has_summaries(post),
        others=_others(post),
        smooths=bends(post, **own),
        residual="scale" if post.family.dispersion_words.endswith("scale") else "sd",
        ratios=fixef_ratios(post, **own) if exponentiate else None,
        median_ratios=(
            varcorr_ratios(post, **own) if exponentiate and post.design.mu.factors else None
        ),
    )


def _unknown(post: Posterior) -> tuple[str, str]:
    """Why there are no shares of variance, and of which of several responses there are none."""
    if post.design.several is None:
        return post.family.no_latent_variance, ""
    lacking = without_shares(post)
    reasons = {why: [n for n in lacking if lacking[n] == why] for why in lacking.values()}
    if len(lacking) == len(post.design.several.names):
        return "; ".join(reasons), ""
    said = (f"No shares of variance of {' and '.join(own)}: {why}." for why, own in reasons.items())
    return "", " ".join(said)


def _others(post: Posterior) -> tuple[tuple[str, str], ...]:
    """Every predictor that is not called the mean's, and the scale it is on."""
    every = (p.parameter for p in post.predictors)
    return tuple(
        (p, post.family.predictor_scale(p)) for p in every if names.owner(p) == p != names.MU
    )


def _facts(post: Posterior) -> Iterator[tuple[str, str]]:
    yield from design_facts(post.design, post.family)
    chains, draws = post.shape
    said = f"{plural(chains, 'chain')} of {draws:,}"
    attrs = {**post.idata.attrs, **post.draws.attrs}
    if "inference_library" in attrs:
        said += f", {attrs['inference_library']}"
    if "seed" in attrs and (post.run is None or post.run.settings.seed is not None):
        said += f", seed {attrs['seed']}"
    if post.run is not None:
        said += f", {post.run.formulation}"
    yield "draws", said
    if post.run is not None and post.run.note:
        yield "note", post.run.note


def _cell(name: str, value: float, unit: float) -> str:
    """One number as text: by what it is, or by the quantity's own uncertainty."""
    if name in ("ess_bulk", "ess_tail"):
        return count(value)
    if name in ("rhat", "prob_positive"):
        places = 2 if name == "rhat" else 3
        return "" if pd.isna(value) else f"{value:.{places}f}"
    return rounded([value], value if name == "mcse" else unit)[0]


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="  " if line.startswith("- ") else "")


# ---- health of the sampler ---------------------------------------------------------------------


def diagnostics(post: Posterior) -> ConvergenceReport:
    """Did the sampler converge? rhat, bulk and tail effective sample size, divergences, and energy.

    rhat compares the variance between and within chains, on ranks; from 1.01 on the chains do not
    agree. An effective sample size below 100 for each chain does not bear tails and means.

    Returns
    -------
    ConvergenceReport
        It prints itself. `table` has one row per quantity, `messages` say in words what is wrong
        and what to do, `ok` whether nothing is.

    Raises
    ------
    Nothing: what is wrong is said in `messages`.

    See Also
    --------
    summary : The last lines of which say the same in short.
    check : Whether the model fits the data.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> fit.diagnostics().ok
    True
    >>> fit.diagnostics()
    Converged: 4 chains, 4,000 draws, 0 divergences, largest rhat 1.005, smallest ess_bulk 3,518,
    smallest ess_tail 2,697; 45 quantities.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), doi:10.1214/20-BA1221.
    """
    kept = post.once("diagnostics", lambda: post.judged(_diagnostics))
    return replace(kept, table=kept.table.copy())


def _diagnostics(post: Posterior) -> ConvergenceReport:
    stats = post.sample_stats() if "sample_stats" in post.idata.children else xr.Dataset()
    depth = int(stats.attrs.get("max_treedepth", 10))
    tune = int(stats.attrs.get("tuning_steps", 0))
    return check_convergence(post.draws, stats, max_treedepth=depth, tune=tune)
