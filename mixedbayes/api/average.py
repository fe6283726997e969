"""`mixedbayes.average`: several models as one, by weights."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mixedbayes.api.method import lazily, method, table_or_draws
from mixedbayes.api.model import Fit
from mixedbayes.errors import ModelError
from mixedbayes.estimands.mixture import Mixture
from mixedbayes.printable import escaped, printable
from mixedbayes.results.library import answer
from mixedbayes.results.text import WIDTH, Table, as_table, text_facts

with lazily(globals()):
    from mixedbayes.api.estimates import Estimates
    from mixedbayes.estimands.mixture import comparisons, means, slopes
    from mixedbayes.estimands.mixture_predict import predict

if TYPE_CHECKING:
    from mixedbayes.checks.elpd import Method

Weights = Mapping[str, float] | Sequence[float]
_ROUNDING = 1e-3
_NOISE = 1e-6  # weights below it are what the search for them leaves of 0


@dataclass(frozen=True, eq=False, repr=False)
class Average:
    """An average of models of the same data: predictions and estimands of their mixture.

    `predict`, `means`, `comparisons` and `slopes` take what those of `Fit` take. Their draws are
    draws of the models in proportion to the weights, position by position of the chains, so that
    intervals hold the uncertainty of the parameters and that of the model.

    Attributes
    ----------
    weights
        A row for each model: model, weight, draws (how many the mixture has of it), elpd and its
        standard error se where the weights are of a comparison, family, formula.
    mixture
        The models with the draws that they supply.
    how
        Where the weights come from, in words.
    """

    mixture: Mixture
    table: pd.DataFrame
    how: str

    predict = table_or_draws(predict, of="mixture", like="new")
    means = method(means, of="mixture", into=Estimates)
    comparisons = method(comparisons, of="mixture", into=Estimates)
    slopes = method(slopes, of="mixture", into=Estimates)

    @property
    def weights(self) -> Any:
        """A row for each model: model, weight, draws, elpd, se, family, formula."""
        return answer(self.table, self.mixture.design.library)

    @property
    def _title(self) -> str:
        design = self.mixture.design
        return (
            f"Average of {len(self.table)} models of {design.response} ({design.used:,} rows), "
            f"weights {self.how}"
        )

    @property
    def _numbers(self) -> Any:
        return as_table(self.table.drop(columns=["family", "formula"]))

    @property
    def _models(self) -> list[tuple[str, str]]:
        rows = zip(self.table["model"], self.table["formula"], self.table["family"], strict=True)
        return [(name, f"{formula}, {family} family") for name, formula, family in rows]

    def __repr__(self) -> str:
        title = textwrap.fill(self._title, WIDTH)
        return printable(f"{title}\n\n{self._numbers!r}\n\n{text_facts(self._models)}")

    def _repr_html_(self) -> str:
        models = "<br>".join(f"{escaped(name)}: {escaped(said)}" for name, said in self._models)
        return f"<p>{escaped(self._title)}</p>{self._numbers._repr_html_()}<p>{models}</p>"


def average(
    fits: Mapping[str, Fit],
    weights: Weights | None = None,
    *,
    target: str = "observation",
    method: Method = "stacking",
    progress: bool = True,
) -> Average:
    """Average models of the same data: p(y* | y) = sum_k w_k p(y* | y, model k).

    Instead of choosing one of several models, all of them answer, each as often as its weight says.
    Stacking finds the weights with which the mixture of the models' leave-one-out predictive
    densities is best, max over w of sum_i log sum_k w_k p(y_i | y_-i, model k), w_k >= 0 and
    sum_k w_k = 1. Models that predict alike share a weight between them, and a model may get none:
    weights are about prediction, not the probability that a model is true.

    Parameters
    ----------
    fits
        Fits by name, ``{"lines": fit1, "slopes": fit2}``, of the same response and rows.
    weights
        The weights, by name or in the order of the fits, from 0 and with sum 1; the column `weight`
        of `compare` is such. By default they are found from the fits.
    target
        What the weights that are found are to predict, as in `compare`: "observation", "group" or a
        grouping factor, for new levels of it.
    method
        How they are found: "stacking", "BB-pseudo-BMA" or "pseudo-BMA", as in `compare`.
    progress
        Whether scores that take long show a bar.

    Returns
    -------
    Average
        `weights` is the table of the models; `predict`, `means`, `comparisons` and `slopes` are
        those of the mixture, with the arguments of `Fit`'s. It prints which models it is of.

    Raises
    ------
    ModelError
        The models have different responses or rows, or a column with different values; weights
        are not of these models, below 0, or do not sum to 1; or as in `compare`.

    See Also
    --------
    compare : The scores that weights are of.
    bayes_factor : How much more probable the data are under one of two.

    Notes
    -----
    Chains of the mixture are as long as the shortest of the models'. Position by position, one
    model supplies the draws of all quantities, by a sequence in which every model has had its share
    at any time but for less than one draw (Tijdeman 1980, doi:10.1016/0012-365X(80)90269-1). So
    shares are the weights to one draw in a chain, comparisons are always within a model, never
    between two, and whatever is asked of the result next, as its contrasts, is so too.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> slopes = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> lines = mb.fit("Reaction ~ Days + (1 | Subject)", sleep, seed=1)
    >>> both = mb.average({"lines": lines, "slopes": slopes}, target="Subject")
    >>> both.weights[["model", "weight"]]
        model  weight
    0   lines 0.09208
    1  slopes  0.9079
    >>> both.means(at={"Days": [0, 9]})[["Days", "mean", "lower", "upper"]]
       Days  mean lower upper
    0     0 251.4 234.8 267.8
    1     9 345.2 316.8 372.3

    References
    ----------
    Yao, Vehtari, Simpson & Gelman (2018), Using stacking to average Bayesian predictive
    distributions, Bayesian Analysis 13(3), doi:10.1214/17-BA1091.
    """
    strange = not isinstance(fits, Mapping) or [f for f in fits.values() if not isinstance(f, Fit)]
    if strange or not fits:
        raise ModelError('average() takes fits by name, such as {"lines": fit1, "slopes": fit2}')
    texts = [str(name) for name in fits]
    if len(set(texts)) < len(texts):
        raise ModelError("average(): two fits have the same name; names are texts")
    named = dict(zip(texts, fits.values(), strict=True))
    posts = {name: fit.posterior for name, fit in named.items()}
    scores: dict[str, list[float]] = {}
    if weights is None:
        from mixedbayes.api.several import left_out_of
        from mixedbayes.checks.elpd import compare_elpd

        left_out = {name: left_out_of(fit, target, progress) for name, fit in named.items()}
        compared = compare_elpd(left_out, method).loc[texts]
        solved = compared["weight"].to_numpy(float)
        found = dict(zip(texts, np.where(solved < _NOISE, 0.0, solved).tolist(), strict=True))
        scores = {name: list(compared[name].astype(float)) for name in ("elpd", "se")}
        how = f"by {method} of the elpd of leaving one {left_out[texts[0]].held_out.what} out"
    else:
        from mixedbayes.checks.held_out import Data

        data = {name: Data.of(post.design, post.family) for name, post in posts.items()}
        for (a, first), (b, second) in pairwise(data.items()):
            if (difference := first.difference(second)) is not None:
                raise ModelError(f"{a!r} and {b!r} cannot be averaged: {difference}")
        found, how = _checked(weights, texts), "as given"
    total = sum(found.values())
    mixture = Mixture.of(posts, {name: weight / total for name, weight in found.items()})
    members = mixture.members
    table = pd.DataFrame(
        {
            "model": texts,
            "weight": [m.weight for m in members],
            "draws": [len(m.positions) * mixture.shape[0] for m in members],
            **scores,
            "family": [m.post.family.name for m in members],
            "formula": [m.post.design.formula.text for m in members],
        }
    )
    return Average(mixture, Table(table), how)


def _checked(weights: Any, models: Sequence[str]) -> dict[str, float]:
    """Weights by model, which sum to 1 but for rounding; ModelError where they are none."""
    given = weights.to_dict() if hasattr(weights, "to_dict") else weights
    if isinstance(given, Mapping):
        given = {str(name): weight for name, weight in given.items()}
        if set(given) != set(models):
            raise ModelError(
                f"weights are of {', '.join(given) or 'no model'}, and the models are "
                f"{', '.join(models)}; give each a weight, 0 where it has none"
            )
        values = [given[name] for name in models]
    else:
        try:
            values = list(given)
        except TypeError:
            values = []
        if isinstance(given, str) or len(values) != len(models):
            raise ModelError(
                f"weights={weights!r}: give a weight for each of the {len(models)} models, by name "
                "or in their order"
            )
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError):
        numbers = [math.nan]
    if not all(math.isfinite(x) and x >= 0 for x in numbers):
        raise ModelError(f"weights={weights!r}: weights are numbers from 0")
    if abs(sum(numbers) - 1) > _ROUNDING:
        raise ModelError(f"weights sum to {sum(numbers):.6g}, not to 1; divide each by their sum")
    return dict(zip(models, numbers, strict=True))
