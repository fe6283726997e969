"""Functions of several fits, or of a model as well as of a fit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from mixedbayes.api.model import Fit, Model
from mixedbayes.design.table import PANDAS
from mixedbayes.errors import ModelError
from mixedbayes.model.formulations import Centered, NonCentered
from mixedbayes.results.library import answer

if TYPE_CHECKING:
    import pandas as pd

    from mixedbayes.checks.elpd import Elpd, Loo, Method
    from mixedbayes.checks.evidence import BayesFactor
    from mixedbayes.plots.scene import Drawing
    from mixedbayes.publish.table import RegressionTable
    from mixedbayes.results.tables import Interval
    from mixedbayes.teach.run import Ways


def compare(
    fits: Mapping[str, Fit | Elpd],
    *,
    target: str = "observation",
    method: Method = "stacking",
    progress: bool = True,
) -> pd.DataFrame:
    """Rank models of the same data by their expected log predictive density.

    Parameters
    ----------
    fits
        Fits, or results of their `loo` or `kfold`, by name: ``{"slopes": fit2, "lines": fit1}``.
    target
        What is left out of the fits: "observation", "group" or a grouping factor; see `Fit.loo`.
    method
        Of the weights: "stacking", "BB-pseudo-BMA" or "pseudo-BMA".
    progress
        Whether scores that take long show a bar.

    Returns
    -------
    DataFrame
        One row per model, the best first; in pandas the models are row labels, and where all are
        fits of data of another library the table is of that, and they are a column `model`:

        - rank: 0 is the best;
        - elpd_diff: elpd less that of the best;
        - dse: standard error of that difference;
        - p_worse: probability that the model predicts worse than the best, by a normal
          approximation;
        - diag_diff: why that may be off: "N < 100" or "|elpd_diff| < 4", else empty;
        - p: effective number of parameters;
        - diag_elpd: how many Pareto k are too high for the score, else empty;
        - elpd: expected log predictive density, higher is better;
        - se: its standard error;
        - weight: of the model in an average of all, by `method`.

    Raises
    ------
    ModelError
        The models have different responses, rows or targets; the message says which.

    See Also
    --------
    loo : The scores, and who is influential.
    average : Predictions of all, by these weights.
    bayes_factor : By the probability of the data.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> slopes = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> lines = mb.fit("Reaction ~ Days + (1 | Subject)", sleep, seed=1)
    >>> mb.compare({"lines": lines, "slopes": slopes})
            rank elpd_diff   dse p_worse diag_diff diag_elpd     p   elpd    se weight
    slopes     0     0.000 0.000     NaN                     35.61 -861.9 22.90 0.8957
    lines      1    -23.12 12.10  0.9720                     19.41 -885.0 14.28 0.1043
    """
    from mixedbayes.checks.elpd import compare_elpd

    if not isinstance(fits, Mapping):
        raise ModelError('compare() takes fits by name, such as {"slopes": fit2, "lines": fit1}')
    scores = {
        name: left_out_of(fit, target, progress) if isinstance(fit, Fit) else fit
        for name, fit in fits.items()
    }
    found = compare_elpd(scores, method)
    libraries = {fit.library if isinstance(fit, Fit) else PANDAS for fit in fits.values()}
    library = libraries.pop() if len(libraries) == 1 else PANDAS
    return answer(found if library == PANDAS else found.rename_axis("model"), library)


def bayes_factor(a: Fit, b: Fit) -> BayesFactor:
    """How much more probable the data are under the first model: p(y | a) / p(y | b).

    Parameters
    ----------
    a, b
        Fits of two models of the same data.

    Returns
    -------
    BayesFactor
        `value`, and `log` with its Monte Carlo `error`, from `Fit.log_evidence` of both. It prints
        itself, with the priors that only one of the models has.

    Raises
    ------
    ModelError
        They are models of different data, or one has no evidence in closed form.

    See Also
    --------
    log_evidence : Of each fit.
    compare : By predictions, which depend less on priors.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> slopes = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> lines = mb.fit("Reaction ~ Days + (1 | Subject)", sleep, seed=1)
    >>> mb.bayes_factor(slopes, lines)
    The data are 10^7.4 times as probable under the first model as under the second (log Bayes
    factor 17.14, Monte Carlo error 0.0034).
    A Bayes factor depends on the priors, however many the data.
    Priors of the first model alone: sd_Subject[Days] ~ Exponential(0.05113); cor_Subject ~ LKJ(2).
    """
    from mixedbayes.checks import evidence

    return evidence.bayes_factor(a.log_evidence(), b.log_evidence())


def plot_funnel(
    fits: Model | Mapping[str, Fit],
    group: str | None = None,
    *,
    term: str | None = None,
    level: object = None,
    draws: int = 1000,
    seed: int | None = None,
    target_accept: float | None = None,
    backend: str = "matplotlib",
) -> Drawing:
    """Draws of one effect against the log of its sd: the funnel that a sampler meets.

    Parameters
    ----------
    fits
        Fits of one model by name, such as ``{"centred": fit1, "non-centred": fit2}``; or a model,
        which is fitted in both formulations, with the `draws`, `seed` and `target_accept` given.
    group, term, level
        Whose effect: by default the first term of the first factor with a random slope, else of the
        first factor, in the level with the fewest rows.
    draws, seed, target_accept
        Of the fits of a model, see `Model.fit`; a lower `target_accept` shows more divergences.
    backend
        "matplotlib", "plotly" or "bokeh".

    Returns
    -------
    Matplotlib or Plotly figure, or Bokeh layout, on the link scale: a column for each fit, the
    effect above, the effect in units of its sd below, divergent transitions in colour.

    Raises
    ------
    ModelError
        There is no such group, term or level, or draws of the group effects were not kept.

    See Also
    --------
    build : Models in each formulation.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> model = mb.Model("y | se(sigma) ~ 1 + (1 | school)", mb.load_data("eight_schools"))
    >>> fits = {
    ...     "all out": model.fit(200, seed=1, formulation=mb.Marginal()),
    ...     "partially": model.fit(200, seed=1, formulation=mb.PartiallyCentered()),
    ... }
    >>> figure = mb.plot_funnel(fits)
    >>> figure.savefig("funnel.png")
    """
    from mixedbayes.plots import funnel

    if not isinstance(fits, Mapping):
        model = fits
        if not isinstance(model, Model):
            raise ModelError('plot_funnel() takes a model, or fits by name: {"centred": fit}')
        fits = {
            name: model.fit(
                draws, seed=seed, formulation=way, target_accept=target_accept, progress=False
            )
            for name, way in {"centred": Centered(), "non-centred": NonCentered()}.items()
        }
    posteriors = {name: fit.posterior for name, fit in fits.items()}
    return funnel.plot_funnel(posteriors, group, term=term, level=level, backend=backend)


def ways(model: Model | Fit) -> Ways:
    """Write a Gaussian mixed model in its textbook forms, and show that they are one model.

    Parameters
    ----------
    model
        A model, or a fit, whose posterior means are then the values at which forms are compared.

    Returns
    -------
    Ways
        `Fit.ways` describes it form by form, with the errors and sources.

    Raises
    ------
    ModelError
        As `Fit.ways` does.

    See Also
    --------
    ways : The method of `Fit`, which describes the forms.
    code : The model for other packages.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
    >>> list(mb.ways(model))
    ['1a', '1b', '2', '3a', '3b', '3c', '4a', '4b', '5a', '5b', '6', '7']
    """
    from mixedbayes.teach.run import ways as ways_of

    return ways_of(model.spec if isinstance(model, Model) else model.posterior)


def table(
    fits: Fit | Sequence[Fit] | Mapping[str, Fit],
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
    """A table for a paper with several fits side by side.

    Parameters
    ----------
    fits
        Fits by name, ``{"M1": fit1, "M2": fit2}``; or some without names, which are then Model 1,
        Model 2, ...; or one. They may differ in everything: rows that a model has no part in are
        blank, and the notes say what is the same of all, and what of each.
    path, prob, interval, estimate, labels, digits, fit_statistics, title, progress
        As in `Fit.table`.
    exponentiate
        Ratios, as in `Fit.table`, of those models of which exp() of an effect is one; the table
        says which they are.

    Returns
    -------
    RegressionTable
        As of `Fit.table`.

    Raises
    ------
    ModelError
        No fit is given, or something else than fits; else as in `Fit.table`.
    FileError
        The file cannot be written.
    MissingExtraError
        .docx without python-docx, which is in the extra `tables`.

    See Also
    --------
    table : The method of `Fit`: one fit.
    compare : Which predicts best.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> slopes = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> lines = mb.fit("Reaction ~ Days + (1 | Subject)", sleep, seed=1)
    >>> both = mb.table({"lines": lines, "slopes": slopes}, "both.tex", fit_statistics=["rows"])
    >>> print(str(both).partition("Posterior mean")[0])  # doctest: +ESTIMATES
                                        lines                      slopes
                               Estimate  95 % interval    Estimate  95 % interval
    Population effects
      Intercept                   251    [231, 272]          251    [236, 267]
      Days                         10.5  [8.9, 12.0]          10    [7, 14]
    <BLANKLINE>
    Group effects
      Subject
        sd Intercept               39    [27, 57]             31    [19, 48]
        sd Days                                                6    [4, 9]
        cor Intercept, Days                                   -0.1  [-0.6, 0.5]
    <BLANKLINE>
    Family
      sigma, residual sd           31    [28, 35]             25.8  [23.1, 28.9]
    <BLANKLINE>
    Data and fit
      Rows                        180                        180
    """
    from mixedbayes.publish.table import side_by_side

    if isinstance(fits, Fit):
        return fits.table(
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
    if isinstance(fits, Mapping):
        named = {str(name): fit for name, fit in fits.items()}
    else:
        several = list(fits) if isinstance(fits, Sequence) and not isinstance(fits, str) else [fits]
        named = {f"Model {k}": fit for k, fit in enumerate(several, 1)}
    strange = [f"{name}: {type(f).__name__}" for name, f in named.items() if not isinstance(f, Fit)]
    if strange or not named:
        got = f"got {', '.join(strange)}" if strange else "and there is none"
        raise ModelError(f'table() takes fits, such as {{"M1": fit1, "M2": fit2}}, {got}')
    if len(named) < len(fits):
        raise ModelError("table(): two fits have the same name; names are texts")
    return side_by_side(
        {name: fit.posterior for name, fit in named.items()},
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


def left_out_of(fit: Fit, target: str, progress: bool) -> Loo:
    """`Fit.loo` with the score of each unit; ModelError where rows are read again for it."""
    fit.posterior.design.need_rows("a comparison of models by what they leave out")
    return cast("Loo", fit.loo(target, progress=progress))
