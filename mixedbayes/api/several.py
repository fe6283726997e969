"""Functions of several fits, or of a model as well as of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mixedbayes.api.model import Fit, Model
from mixedbayes.errors import ModelError
from mixedbayes.model.formulations import Centered, NonCentered
from mixedbayes.results.text import tabled

if TYPE_CHECKING:
    import pandas as pd

    from mixedbayes.checks.elpd import Elpd, Method
    from mixedbayes.checks.evidence import BayesFactor
    from mixedbayes.plots.scene import Drawing
    from mixedbayes.teach.run import Ways


@tabled
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
    DataFrame, the best model first: elpd, se, the difference from the best and its standard error
    (dse), p, weight.

    Raises
    ------
    ModelError
        The models have different responses, rows or targets; the message says which.
    """
    from mixedbayes.checks.elpd import compare_elpd

    if not isinstance(fits, Mapping):
        raise ModelError('compare() takes fits by name, such as {"slopes": fit2, "lines": fit1}')
    scores = {
        name: fit.loo(target, progress=progress) if isinstance(fit, Fit) else fit
        for name, fit in fits.items()
    }
    return compare_elpd(scores, method)


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
    """
    from mixedbayes.teach.run import ways as ways_of

    return ways_of(model.spec if isinstance(model, Model) else model.posterior)
