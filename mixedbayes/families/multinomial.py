"""Counts of categories without an order, in a column each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from scipy import special

from mixedbayes import names
from mixedbayes.design.response import Response
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError
from mixedbayes.families.base import Elsewhere, Family, Values, repeated, weights_of, whole
from mixedbayes.families.categorical import Categorical
from mixedbayes.families.rows import Rows
from mixedbayes.formula import Formula
from mixedbayes.formula.counts import count_columns


@dataclass(frozen=True)
class Multinomial(Categorical):
    """Counts (y_1, ..., y_K) of n with P(k) = exp(eta_k) / sum_j exp(eta_j), as `Categorical` has.

    log p(y) = log n! - sum_k log y_k! + sum_k y_k log P(k), n the row's total. Predictors, their
    names, priors and formulas are those of `Categorical`, and so is the posterior of the same
    responses with a row each; loo() leaves out a row, here all of its responses. Agresti (2013),
    Categorical Data Analysis, chapter 8.

    The response is ``cbind(walk, bus, car) ~ ...`` or ``c(walk, bus, car) ~ ...``, three or more
    columns of whole numbers from 0, whose names are the categories. The row's total is their sum,
    1 or more, so that there is no trials(). Means, predict(kind="mean"), are probabilities with a
    row for each category, the reference first; times a total they are expected counts.

    Parameters
    ----------
    link
        Of the categories' predictors: `mb.Logit()`, the only one.
    links
        None: there are no further parameters.
    reference
        The column that the others are compared with; by default the first.
    found, seen
        Set by the package, not by hand.

    See Also
    --------
    Categorical : One response a row.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> mb.families.Multinomial(reference="bus").described
    "multinomial, logit link, reference 'bus'"
    """

    name: ClassVar[str] = "multinomial"
    takes: ClassVar[str] = "whole numbers from 0 in three or more columns"
    columns: ClassVar[bool] = True
    first_code: ClassVar[int] = 0
    elsewhere: ClassVar[Elsewhere] = Elsewhere(
        "multinomial", bambi="multinomial", bambi_link="softmax", names=("multinomial_counts",)
    )
    unordered: ClassVar[str] = "counts of several categories have no one mean and variance"
    no_latent_variance: ClassVar[str] = unordered
    seen: tuple[tuple[int, ...], ...] = ()  # the different rows of counts of a design, by its codes

    # ---- before anything runs -----------------------------------------------------------------

    def _check_trials(self, formula: Formula) -> None:
        if formula.response.trials is not None:
            raise DataError(
                f"trials({formula.response.trials}): the total of a row is the sum of the columns "
                f"in {formula.response.text}; leave trials() out"
            )

    def expanded(self, formula: Formula, response: Response) -> Formula:
        self._columns(formula)
        return super().expanded(formula, response)

    def of_design(self, design: Design) -> Self:
        """The family of these columns, which knows the counts that the codes in y stand for."""
        self._columns(design.formula)
        made = self._of(design.formula.response.text, design.y, design.response_levels)
        return made.reading(design, design.response_levels)

    def reading(self, design: Design, levels: Sequence[Any] | None) -> Self:
        own = self._columns(design.formula)
        order = [own.index(name) for name in self.levels]
        return replace(self, seen=tuple(tuple(row[k] for k in order) for row in levels or ()))

    def _there(self, name: str, y: Floats, levels: Sequence[Any] | None) -> Sequence[Any]:
        return count_columns(name)

    def _columns(self, formula: Formula) -> tuple[str, ...]:
        """The names of the response's columns."""
        found = count_columns(formula.response.text)
        if not found:
            raise DataError(
                f"the response {formula.response.text!r} is one column: the {self.name} family "
                "takes counts in three or more, cbind(a, b, c) ~ ...; of a column of labels, "
                "family='categorical' is the same model"
            )
        return found

    def prepare(self, design: Design) -> Design:
        self._columns(design.formula)
        design = Family.prepare(self, design)
        first, *others = self.levels
        note = (
            f"{design.response}: counts of categories without an order; {', '.join(others)} are "
            f"compared with {first}"
        )
        return replace(design, response_ordered=False, notes=(*design.notes, note))

    def categories(self, design: Design) -> tuple[Any, ...]:
        return self.levels

    def category_counts(self, y: Floats, count: int) -> Floats:
        return self._counts(y) if self.seen else super().category_counts(y, count)

    @property
    def response_labels(self) -> dict[str, list[str]]:
        return {names.CATEGORY: list(map(str, self.levels))} if self.seen else {}

    def reported(self, y: Floats) -> Any:
        """(..., n, K) counts, the reference's first: of a design's codes (n,), or simulated."""
        if np.ndim(y) > 1:
            return whole(y)
        return self._counts(y).astype(np.int64) if self.seen else super().reported(y)

    def _counts(self, y: Floats) -> Floats:
        return np.asarray(self.seen, float)[np.asarray(y, int)]

    def totals(self, design: Design) -> Ints:
        return np.asarray(self._counts(design.y).sum(axis=1), np.int64)

    def counts(self, design: Design) -> Floats:
        """(n,) how many responses each row has, times its weight."""
        return np.asarray(self.totals(design) * weights_of(design))

    def shares(self, design: Design) -> Floats:
        return np.asarray(weights_of(design) @ self._counts(design.y))

    # ---- the distribution ---------------------------------------------------------------------

    def rows(self, design: Design) -> Rows:
        weights, counts = weights_of(design), self._counts(design.y)
        constant = float(weights @ _log_ways(counts))
        counts = counts * weights[:, None]
        return Rows.of(design.y, counts.sum(axis=1), constant, counts.ravel())

    def pymc(
        self, eta: Any, parameters: Mapping[str, Any], design: Design, xp: Any
    ) -> tuple[str, dict[str, Any]]:
        log_p = super().pymc(eta, parameters, design, xp)[1]["logit_p"]
        return "Multinomial", {"n": xp.as_tensor(self.totals(design)), "p": xp.exp(log_p)}

    def log_density(
        self, y: Floats, mu: Floats, parameters: Values, *,
        weights: Floats | None = None, trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        """y are codes of rows of counts."""
        if not self.seen:
            return super().log_density(y, mu, parameters, weights=weights, trials=trials)
        counts = self._counts(y)
        found = np.einsum("nk,snk->sn", counts, self.log_probabilities(mu, parameters))
        return repeated(found + _log_ways(counts), weights)

    def simulate(
        self,
        mu: Floats,
        parameters: Values,
        rng: np.random.Generator,
        *,
        weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:
        """(S, n, K) counts, trials (n,) in all; codes (S, n) of single responses without trials."""
        if trials is None:
            return super().simulate(mu, parameters, rng)
        return rng.multinomial(trials, self.probabilities(mu, parameters)).astype(np.float64)

    def observation_mean(
        self, mu: Floats, parameters: Values, *, weights: Floats | None = None,
        trials: Ints | None = None,
    ) -> Floats:  # fmt: skip
        """(S, n, K) expected counts; probabilities without trials."""
        p = self.probabilities(mu, parameters)
        return p if trials is None else p * trials[:, None]

    def mean_words(self, response: str) -> str:
        return "probability of each category"

    def latex(self, y: str, symbol: Callable[[str], str], *, weighted: bool) -> str:
        etas = ", ".join(["0", *(symbol(p) for p in self.predictors)])
        return rf"{y} &\sim \mathrm{{Multinomial}}(n_i,\, \mathrm{{softmax}}({etas}))"


def _log_ways(counts: Floats) -> Floats:
    """(n,) log of the multinomial coefficients."""
    return np.asarray(
        special.gammaln(counts.sum(axis=-1) + 1) - special.gammaln(counts + 1).sum(axis=-1)
    )
