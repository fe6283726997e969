"""Regression tables for papers: of one fit, or of several side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from mixedbayes.errors import ModelError
from mixedbayes.printable import printable
from mixedbayes.publish.digits import Asked
from mixedbayes.publish.entries import FIT_STATISTICS, Column, column
from mixedbayes.publish.formats import gt, html, latex, markdown, text, typst, word
from mixedbayes.publish.layout import Labels, Layout, heads, sections
from mixedbayes.publish.notes import notes
from mixedbayes.results.files import check_file, write_file
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.ratios import ratio_of
from mixedbayes.results.tables import Description, Interval

if TYPE_CHECKING:
    from great_tables import GT

SUFFIXES = (".html", ".tex", ".typ", ".md", ".docx", ".csv", ".txt")
MOST_DIGITS = 6


@dataclass(frozen=True, eq=False)
class RegressionTable:
    """A table that prints itself, and is written in the formats of papers.

    Attributes
    ----------
    layout
        Its title, heads, sections of rows and notes, as texts.
    """

    layout: Layout

    @property
    def frame(self) -> pd.DataFrame:
        """One row per quantity and model, the numbers with all their digits.

        Columns section, group (grouping factor), parameter, kind, term, label, model, estimate, sd,
        lower, upper, mcse (Monte Carlo error of the estimate), shown (as printed). Of elpd `sd` is
        the standard error. Of ratios sd is missing.
        """
        return self.layout.frame.copy()

    def __str__(self) -> str:
        return printable(text.write(self.layout))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_latex_(self) -> str:
        return self.to_latex()

    def to_html(self) -> str:
        """A table element with its style, for a page of one's own.

        Returns
        -------
        str
            The element, without a page around it.

        See Also
        --------
        save : Writes a file.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> fit.table(fit_statistics=[]).to_html().count("<table")
        1
        """
        return html.write(self.layout)

    def to_latex(self) -> str:
        r"""A table environment; the document needs the package booktabs.

        Returns
        -------
        str
            From ``\begin{table}`` to ``\end{table}``.

        See Also
        --------
        save : Writes a file.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> print(fit.table(fit_statistics=[]).to_latex().splitlines()[0])
        % needs \usepackage{booktabs}
        """
        return latex.write(self.layout)

    def to_typst(self) -> str:
        """A figure with a table, and its notes.

        Returns
        -------
        str
            From ``#figure(`` on.

        See Also
        --------
        save : Writes a file.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> "figure(" in fit.table(fit_statistics=[]).to_typst()
        True
        """
        return typst.write(self.layout)

    def to_markdown(self) -> str:
        """A pipe table, and its notes.

        Returns
        -------
        str
            The text of both.

        See Also
        --------
        save : Writes a file.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> print(fit.table(fit_statistics=[]).to_markdown().splitlines()[0])
        |  | Reaction | 95 % interval |
        """
        return markdown.write(self.layout)

    def great_table(self) -> GT:
        """A table of great_tables, to be styled further.

        Returns
        -------
        GT
            Of great_tables, with groups, spanners and notes.

        Raises
        ------
        MissingExtraError
            great_tables is not installed; it is in the extra `tables`.

        See Also
        --------
        to_html : Without great_tables.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> type(fit.table(fit_statistics=[]).great_table()).__name__
        'GT'
        """
        return gt.build(self.layout)

    def save(self, path: str | Path) -> Path:
        """Write the table, in the format that the path's suffix says.

        Parameters
        ----------
        path
            Ends in .html, .tex (a table environment, to be read in by a document with booktabs),
            .typ, .md, .docx, .txt, or .csv (`frame`). An older file is replaced when the new one is
            complete.

        Returns
        -------
        The path.

        Raises
        ------
        FileError
            If the folder does not exist or cannot be written, or `path` is a folder.
        ModelError
            The suffix is another.
        MissingExtraError
            .docx without python-docx, which is in the extra `tables`.

        See Also
        --------
        to_latex : The text that is written to .tex.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
        >>> path = fit.table(fit_statistics=[]).save("table1.md")
        >>> path.name
        'table1.md'
        """
        path = check_file(path, "table.html")
        write_file(path, self._content(suffix_of(path)))
        return path

    def _content(self, suffix: str) -> bytes:
        if suffix == ".docx":
            return word.write(self.layout)
        if suffix == ".csv":
            written = self.layout.frame.to_csv(index=False)
        elif suffix == ".html":
            written = html.page(self.layout)
        elif suffix == ".txt":
            written = f"{self}\n"
        else:
            write = {".tex": self.to_latex, ".typ": self.to_typst, ".md": self.to_markdown}[suffix]
            written = write()
        return written.encode("utf-8", errors="replace")


def suffix_of(path: Path) -> str:
    """The path's suffix; ModelError unless it is one that tables have."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ModelError(
            f"{path}: the format of a table is said by the suffix of its file, one of "
            f"{', '.join(SUFFIXES)}; give for example {path.with_suffix('.html')}"
        )
    return suffix


def table(
    post: Posterior,
    path: str | Path | None = None,
    *,
    prob: float = 0.95,
    interval: Interval = "eti",
    estimate: Literal["mean", "median"] = "mean",
    exponentiate: bool = False,
    labels: Mapping[str, str] | None = None,
    digits: int = 2,
    fit_statistics: Collection[str] | None = None,
    title: str = "",
    progress: bool = True,
) -> RegressionTable:
    """A table for a paper: population effects, group effects, data, fit, and what they are.

    A number has the digits that give its posterior sd `digits` significant ones, and none that its
    Monte Carlo standard error does not bear: the unit of the last digit is at least the largest
    error of estimate and interval, or two thirds of it where it is the place of the sd's first
    digit. The cells of a row share their decimals where they are on one scale. More digits come
    from more draws, not from `digits`. `mixedbayes.table` puts several fits side by side.

    Parameters
    ----------
    post
        The posterior.
    path
        Where to write the table: .html, .tex (booktabs), .typ, .md, .docx, .txt or .csv. An older
        file is replaced when the new one is complete. None: nothing is written.
    prob
        Probability of the intervals.
    interval
        "eti": equal tails; "hdi": highest density, the shortest.
    estimate
        "mean" or "median" of the posterior.
    exponentiate
        The mean's population effects as odds, rate or hazard ratios, or ratios of means: posterior
        median and interval of exp() of the effect. Group effects stay on the link scale.
    labels
        Texts in the place of the names of terms, columns, grouping factors and parameters:
        ``{"Days": "Days of deprivation", "recipe[B]": "Recipe B"}``. A product of columns is made
        of the texts of its factors, unless it has one of its own.
    digits
        Significant digits of the posterior sd, 1 to 6.
    fit_statistics
        Which of "rows", "levels" (of each grouping factor), "icc" (adjusted), "r2" and "elpd"
        (leave-one-out) the table has; all by default, elpd where rows x draws are at most 10
        million, unless it is named here. What does not exist for a model is blank; what could not
        be computed is named in the notes, with the reason.
    title
        Above the table.
    progress
        Whether elpd shows a bar where it takes long.

    Returns
    -------
    RegressionTable
        It prints itself, as text and in HTML; `to_html`, `to_latex`, `to_typst`, `to_markdown`,
        `save` and `great_table` write it; `frame` is a data frame of its numbers, with all digits.

    Raises
    ------
    ModelError
        An argument or the path's suffix is not possible; a label is of nothing that the model has;
        exp() of the effects is no ratio.
    FileError
        The file cannot be written.
    MissingExtraError
        .docx without python-docx, which is in the extra `tables`.

    See Also
    --------
    table : Of the package: several fits side by side.
    summary : To read at the terminal.
    methods : The paragraph that goes with it.
    report : A page with everything.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> labels = {"Days": "Days of deprivation"}
    >>> fit.table(labels=labels, fit_statistics=["rows", "r2"])  # doctest: +ESTIMATES
                                                      Reaction
                                              Estimate  95 % interval
    Population effects
      Intercept                                 251     [236, 267]
      Days of deprivation                        10     [7, 14]
    <BLANKLINE>
    Group effects
      Subject
        sd Intercept                             31     [19, 48]
        sd Days of deprivation                    6     [4, 9]
        cor Intercept, Days of deprivation       -0.1   [-0.6, 0.5]
    <BLANKLINE>
    Family
      sigma, residual sd                         25.8   [23.1, 28.9]
    <BLANKLINE>
    Data and fit
      Rows                                      180
      R², marginal                                0.27  [0.13, 0.41]
      R², conditional                             0.80  [0.71, 0.88]
    <BLANKLINE>
    Posterior mean and 95 % equal-tailed interval. Rounded to 2 significant digits of the
    posterior sd,
    or to fewer where the Monte Carlo error is larger. sd, cor: standard deviations and
    correlations of
    effects over a group's levels.
    Model: Reaction ~ Days + (Days | Subject); Gaussian family, identity link.
    Priors: Normal(298.5, 140.8) for Intercept (at the predictors' means); Normal(0, 48.89) for
    Days;
    Exponential(0.01775) for sd of Intercept over Subject (at the predictors' means) and for sigma;
    Exponential(0.05113) for sd of Days over Subject; LKJ(2) for correlations over Subject (at the
    predictors' means).
    Draws: 4 chains of 1,000 draws after tuning.
    R²: share of variance explained, marginal: by the population effects, conditional: with the
    group
    effects (Nakagawa et al. 2017, doi:10.1098/rsif.2017.0213; Johnson 2014,
    doi:10.1111/2041-210X.12225).
    >>> text = fit.table(fit_statistics=[]).to_markdown()
    >>> print(text.partition("Posterior mean")[0])  # doctest: +ESTIMATES
    |  | Reaction | 95 % interval |
    |:---|---:|:---|
    | **Population effects** |  |  |
    |  Intercept | 251 | [236, 267] |
    |  Days | 10 | [7, 14] |
    | **Group effects** |  |  |
    |  Subject |  |  |
    |   sd Intercept | 31 | [19, 48] |
    |   sd Days | 6 | [4, 9] |
    |   cor Intercept, Days | −0.1 | [−0.6, 0.5] |
    | **Family** |  |  |
    |  sigma, residual sd | 25.8 | [23.1, 28.9] |
    >>> table = fit.table("table1.html", title="Sleep deprivation", fit_statistics=["rows"])
    >>> table.frame[["section", "term", "estimate", "lower", "upper"]].head(2)
                  section       term    estimate       lower       upper
    0  Population effects  Intercept  251.425867  235.700726  267.287696
    1  Population effects       Days   10.421680    7.235327   13.595776

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Burkner (2021), doi:10.1214/20-BA1221, for Monte Carlo
    errors; Nakagawa, Johnson & Schielzeth (2017), doi:10.1098/rsif.2017.0213, for ICC and R2.
    """
    return side_by_side(
        {post.design.response or "Model": post},
        path,
        prob=prob,
        interval=interval,
        estimate=estimate,
        exponentiate=exponentiate,
        labels=labels,
        digits=digits,
        fit_statistics=fit_statistics,
        title=title,
        progress=progress,
    )


def side_by_side(
    posts: Mapping[str, Posterior],
    path: str | Path | None = None,
    *,
    prob: float = 0.95,
    interval: Interval = "eti",
    estimate: Literal["mean", "median"] = "mean",
    exponentiate: bool = False,
    labels: Mapping[str, str] | None = None,
    digits: int = 2,
    fit_statistics: Collection[str] | None = None,
    title: str = "",
    progress: bool = True,
) -> RegressionTable:
    """`table` of several posteriors by name; exponentiated are those of which exp() is a ratio."""
    if path is not None:  # refused before anything is computed
        path = check_file(path, "table.html")
        suffix_of(path)
    asked = Asked(Description(prob, interval).prob, interval, estimate)
    if estimate not in ("mean", "median"):
        raise ModelError(f'estimate={estimate!r}: use "mean" or "median"')
    if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= MOST_DIGITS:
        raise ModelError(
            f"digits={digits!r}: give the significant digits of the posterior sd, 1 to "
            f"{MOST_DIGITS}; 2 is the default"
        )
    if not isinstance(title, str):
        raise ModelError(f"title={title!r}: give a text")
    wanted = _fit_statistics(fit_statistics)
    ratios = _ratios(posts) if exponentiate else dict.fromkeys(posts, False)
    columns = [
        column(
            name,
            post,
            asked,
            ratios=ratios[name],
            statistics=wanted,
            named=fit_statistics is not None,
            progress=progress,
        )
        for name, post in posts.items()
    ]
    found = RegressionTable(_layout(columns, asked, labels, digits, title))
    if path is not None:
        found.save(path)
    return found


def _layout(
    columns: Sequence[Column],
    asked: Asked,
    labels: Mapping[str, str] | None,
    digits: int,
    title: str,
) -> Layout:
    rows, frame = sections(columns, Labels.of(labels, columns), digits)
    return Layout(title, heads(columns, asked), rows, notes(columns, asked, digits), frame)


def _fit_statistics(given: Any) -> tuple[str, ...]:
    if given is None:
        return FIT_STATISTICS
    asked = [given] if isinstance(given, str) or not isinstance(given, Collection) else given
    strange = [s for s in asked if s not in FIT_STATISTICS]
    if strange:
        raise ModelError(
            f"fit_statistics={given!r}: {strange[0]!r} is not one of {', '.join(FIT_STATISTICS)}"
        )
    return tuple(asked)


def _ratios(posts: Mapping[str, Posterior]) -> dict[str, bool]:
    """Of which of them exp() of the effects is a ratio; ModelError where it is of none."""
    found, why = {}, None
    for name, post in posts.items():
        try:
            ratio_of(post.family, post.design)
            found[name] = True
        except ModelError as e:
            found[name], why = False, why or e
    if why is not None and not any(found.values()):
        raise why
    return found
