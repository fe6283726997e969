"""`mixedbayes.study`: a study that is planned, asked how much it will tell."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes import names
from mixedbayes.api.arguments import OF_POWER, OF_STUDIES, told
from mixedbayes.api.model import Fit, Model
from mixedbayes.engines.choose import Request
from mixedbayes.errors import DataError, ModelError
from mixedbayes.families.base import Family
from mixedbayes.lab.calibration import Calibrated, Calibration, calibrate
from mixedbayes.lab.power import Power, grid
from mixedbayes.lab.question import Question, named, values_of
from mixedbayes.lab.run import Sampling, outcomes, study_seed
from mixedbayes.lab.search import Smallest, smallest
from mixedbayes.lab.source import DROPOUT, ROWS, Drawn, Given, Source
from mixedbayes.predict.streams import checked_seed
from mixedbayes.results.tables import check_prob
from mixedbayes.results.text import WIDTH
from mixedbayes.simulation.simulate import Count, Covariate

_FEWEST = 100  # simulations of a search


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """A planned study: its design, what is assumed to be true, and how it will be analysed.

    Made by `mixedbayes.study`.
    """

    source: Source
    title: str

    def data(self, n: Mapping[str, Any] | None = None, *, seed: int | None = None) -> pd.DataFrame:
        """The data of one such study.

        Parameters
        ----------
        n
            What differs from the plan, as in `power`, one value each.
        seed
            Of the draw.

        Returns
        -------
        DataFrame
            The grouping factors, covariates and the response; `truth` (frame) has the true values.

        Raises
        ------
        ModelError, DataError
            What varies is not understood.

        See Also
        --------
        power : Many of them.
        simulate : Of the package: without a plan.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> lab = mb.study("y ~ 1 + (1 | g)", groups={"g": 20}, rows=5, sd={"g": 0.5})
        >>> lab.data(seed=1).shape, lab.data({"g": 40}, seed=1).shape
        ((100, 2), (200, 2))
        """
        return self.source.simulate(self._design(n), checked_seed(seed)).frame

    @partial(told, words=OF_POWER)
    def power(
        self,
        *questions: Question,
        n: Mapping[str, Any] | None = None,
        simulations: int = 500,
        prob: float = 0.95,
        seed: int | None = None,
        workers: int | None = None,
        draws: int = 500,
        chains: int = 4,
        tune: int | None = None,
        progress: bool = True,
    ) -> Power:
        """How often studies of each design show what is asked, and how well they estimate it.

        Each simulated study has true values, new groups and new residuals, and is fitted as real
        data would be. Where true values are drawn from distributions or from a pilot's posterior,
        the share of studies is what is called assurance: power averaged over what is not known.

        Parameters
        ----------
        questions
            Statements of `Fit.hypothesis`, ``"arm:time > 0"``; expressions, ``"arm:time"``, which
            are shown to differ from 0 on either side; or functions of a fit that return one row of
            `Fit.means`, `comparisons` or `slopes`, ``lambda fit: fit.comparisons("arm")``, or a
            draw of a number for each draw.
        n
            What varies, every combination of it: numbers of levels by factor, "rows" (of each
            combination of levels), "dropout", effects by term, "sigma", ``"sd_g"`` or, of several,
            ``"sd_g[time]"``, ``"cor_g"``: ``{"g": [20, 40, 80], "rows": [5, 10]}``. Of
            ``"school/class"`` in `groups` "class" is the number in each school, and of rows that
            there are, a pilot's or `data`, in all.
        simulations
            Of each design. 500 give power to within 0.04.
        prob
            A statement or a difference is shown where the equal-tailed interval of this probability
            is all on its side: with 0.95 what lme4's users call significant at 5 %. "x > 0" is then
            shown where its posterior probability is 97.5 % or more. Joint statements, "a > 0 and
            b > 0", have no interval, and are shown where they hold with probability `prob`.
        seed
            Each study has a seed of its own from it, by its design and number.
        workers
            Processes at once: None is this one, or those of an active ``joblib.parallel_config``,
            whose backends (loky, Dask, Ray) then do the work; -1 as many as there are cores.
        draws, chains, tune
            Of each fit, as in `Model.fit`.
        progress
            Whether a bar counts the studies.

        Returns
        -------
        Power
            `table` has a row for each design, `plot()` draws it, and `note` says what was decided
            and how.

        Raises
        ------
        ModelError, DataError
            A question, or what varies, is not understood.

        See Also
        --------
        smallest : The number with the power that is wanted.
        calibrate : Whether posteriors are right at this design.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> lab = mb.study(
        ...     "y ~ arm + (1 | g)", groups={"g": 20}, rows=5, effects={"arm": 1.0}, sd={"g": 0.5},
        ...     covariates={"arm": {"g": [0, 1]}},
        ... )
        >>> found = lab.power("arm > 0", n={"g": [8, 16]}, simulations=4, draws=100, seed=1)
        >>> found.table[["g", "simulations"]]
            g  simulations
        0   8            4
        1  16            4
        Shown: the 95 % interval is all on the side that is asked about. 4 studies of each design.
        True
        values: arm 1.0, sd_g 0.5.
        """
        asked, designs = named(questions), [self._design(d) for d in grid(n)]
        self._check_run(prob, simulations, 1)
        seed = checked_seed(seed)
        self._try(asked, designs[0], seed)
        found = outcomes(
            self.source, designs, range(simulations), asked, seed=seed, prob=prob,
            sampling=Sampling(draws, chains, tune), workers=workers, progress=progress,
        )  # fmt: skip
        return Power.of(designs, found, list(asked), self._note(prob, simulations))

    @partial(told, words=OF_POWER)
    def smallest(
        self,
        question: Question,
        n: Mapping[str, tuple[int, int]],
        *,
        power: float = 0.8,
        simulations: int = 1000,
        tolerance: float = 0.05,
        prob: float = 0.95,
        seed: int | None = None,
        workers: int | None = None,
        draws: int = 500,
        chains: int = 4,
        tune: int | None = None,
        progress: bool = True,
    ) -> Smallest:
        """The smallest design with the power that is wanted.

        Studies are simulated in batches where they tell most: a probit curve in the square root of
        the number, which the power of a z test follows, is fitted to what was shown so far, and the
        next batch lies where the curve has the power that is wanted.

        Parameters
        ----------
        question
            As in `power`.
        n
            What varies, with the least and the largest number that may do: ``{"g": (10, 200)}``;
            a factor, or "rows".
        power
            The share of studies that is to show it.
        simulations
            Studies in all, at most.
        tolerance
            The search ends where half the 95 % interval of the number is this share of it.
        prob, seed, workers, draws, chains, tune, progress
            As in `power`.

        Returns
        -------
        Smallest
            The number `n`, its interval `lower`, `upper`, and a `table` of what was tried.

        Raises
        ------
        ModelError
            What varies is no number of levels or rows with two bounds, or `power` is no share.

        See Also
        --------
        power : Of designs of your choice.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> lab = mb.study(
        ...     "y ~ arm + (1 | g)", groups={"g": 20}, rows=5, effects={"arm": 2.0}, sd={"g": 0.5},
        ...     covariates={"arm": {"g": [0, 1]}},
        ... )
        >>> lab.data({"g": 24}, seed=1).shape
        (120, 3)
        >>> found = lab.smallest("arm > 0", {"g": (4, 24)}, seed=1)  # doctest: +SKIP
        >>> found.n, found.lower, found.upper  # doctest: +SKIP
        """
        asked = named((question,))
        ((text, _),) = asked.items()
        key, bounds = self._bounds(n)
        self._check_run(prob, simulations, _FEWEST)
        if not 0.05 <= power < 1:
            raise ModelError(f"power={power!r} is a share of studies between 0.05 and 1")
        seed, sampling = checked_seed(seed), Sampling(draws, chains, tune)
        self._try(asked, {key: bounds[1]}, seed)

        def shown(number: int, studies: Sequence[int]) -> list[bool | None]:
            (found,) = outcomes(
                self.source, [{key: number}], studies, asked, seed=seed, prob=prob,
                sampling=sampling, workers=workers, progress=progress,
            )  # fmt: skip
            return [None if one.error else one.answers[text].shown for one in found]

        return smallest(
            shown, bounds, power=power, simulations=simulations, tolerance=tolerance, varies=key,
            asked=text, note=self._note(prob, None),
        )  # fmt: skip

    @partial(told, words=OF_POWER)
    def calibrate(
        self,
        simulations: int = 100,
        *,
        seed: int | None = None,
        workers: int | None = None,
        progress: bool = True,
    ) -> Calibration:
        """Whether this model's posteriors are right at this design: simulation-based calibration.

        True values are drawn from the model's priors, data of the planned rows from these, and each
        data set is fitted with the same priors. The truth's ranks among the draws are then uniform
        if, and only if, priors, model and sampler belong together (Talts et al. 2018,
        arXiv:1804.06788). Default priors are those of one simulated data set.

        Parameters
        ----------
        simulations
            How many; 100 find gross errors, 1,000 fine ones.
        seed, workers, progress
            As in `power`.

        Returns
        -------
        Calibration
            A `table` with a row per quantity, a `sentence` to be quoted, and a picture, `plot()`.

        Raises
        ------
        PriorError
            A prior is improper, and nothing can be drawn from it.
        ModelError
            There are fewer than 20 simulations.

        See Also
        --------
        power : Whether studies show what they are for.
        check : Of `Fit`: whether a model suits data.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> model = mb.Model("Yield ~ 1 + (1 | Batch)", mb.load_data("dyestuff"))
        >>> found = mb.study(model).calibrate(20, seed=1)
        >>> found.calibrated
        True
        >>> found.table["quantity"].tolist()
        ['Intercept', 'sigma', 'icc', 'sd_Batch[Intercept]', 'ranef_Batch[A, Intercept]',
        'ranef_Batch[D, Intercept]', 'ranef_Batch[F, Intercept]', 'log_lik']
        """
        _check_simulations(simulations, 0)
        seed = checked_seed(seed)
        first = self.source.simulate({}, study_seed(seed, 0, {})).frame
        model = self.source.model(first)
        one = Calibrated(model.spec, model.formulation, seed)
        return calibrate(one, range(simulations), workers=workers, progress=progress)

    def _design(self, n: Mapping[str, Any] | None) -> dict[str, Any]:
        """What differs from the plan, checked."""
        known = (*self.source.factors, ROWS, DROPOUT, *self.source.numbers)
        for key, value in (n or {}).items():
            if key not in known:
                raise DataError(f"n: {key!r} is not known; what may vary are {', '.join(known)}")
            if key in (*self.source.factors, ROWS):
                _check_count(key, value)
        own = n or {}
        return {k: v.item() if isinstance(v, np.generic) else v for k, v in own.items()}

    def _bounds(self, n: Any) -> tuple[str, tuple[int, int]]:
        known = (*self.source.factors, ROWS)
        if not isinstance(n, Mapping) or len(n) != 1 or next(iter(n)) not in known:
            raise ModelError(
                f"n={n!r}: one of {', '.join(known)}, with the least and the largest number: "
                f"{{{known[0]!r}: (10, 200)}}"
            )
        ((key, bounds),) = n.items()
        several = isinstance(bounds, Sequence | np.ndarray) and not isinstance(bounds, str)
        if not several or len(bounds) != 2:
            raise ModelError(f"n[{key!r}] is the least and the largest number, got {bounds!r}")
        for number in bounds:
            _check_count(key, number)
        if not bounds[0] < bounds[1]:
            raise ModelError(f"n[{key!r}]: {bounds[0]} is not below {bounds[1]}")
        return key, (int(bounds[0]), int(bounds[1]))

    def _try(self, asked: Mapping[str, Question], design: Mapping[str, Any], seed: int) -> None:
        """Ask the truth of a study, so that a mistake in a question is found before any fit."""
        truth = self.source.simulate(design, study_seed(seed, 0, design)).truth
        for question in asked.values():
            values_of(question, truth)

    def _check_run(self, prob: float, simulations: int, least: int) -> None:
        check_prob(prob)
        _check_simulations(simulations, least)

    def _note(self, prob: float, simulations: int | None) -> str:
        many = "" if simulations is None else f" {simulations:,} studies of each design."
        return textwrap.fill(
            f"Shown: the {100 * prob:g} % interval is all on the side that is asked about.{many} "
            f"True values: {self.source.describe()}.",
            WIDTH,
        )

    def __repr__(self) -> str:
        factors = ", ".join(self.source.factors) or "none"
        return (
            f"Study of {self.title}\n  grouping factors  {factors}\n"
            f"  true values       {self.source.describe()}\n"
            "  ask               power(question, n=...), smallest(question, n), calibrate()"
        )


def _check_count(key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise DataError(f"n[{key!r}] is a whole number from 1, got {value!r}")


def _check_simulations(simulations: Any, least: int) -> None:
    whole = isinstance(simulations, Integral) and not isinstance(simulations, bool)
    if not whole or simulations < least:
        raise ModelError(f"simulations={simulations!r} is not a whole number from {least}")


@partial(told, words=OF_STUDIES)
def study(
    model: str | Sequence[str] | Model | None = None,
    groups: Mapping[str, Count] | None = None,
    rows: Count | None = None,
    *,
    effects: Mapping[str, Any] | None = None,
    sd: Mapping[str, Any] | None = None,
    cor: Mapping[str, Any] | None = None,
    sigma: Any = None,
    fit: Fit | None = None,
    family: str | Family | type[Family] = "gaussian",
    residual: str | None = None,
    covariates: Mapping[str, Covariate] | None = None,
    data: Any = None,
    known: Mapping[str, Any] | None = None,
    priors: Mapping[str, Any] | None = None,
    formulation: Request = "auto",
    dropout: float | Mapping[str, float] | None = None,
    **parameters: Any,
) -> Study:
    """Plan a study: what it will show, how precisely, and how large it has to be.

    True values come from one of three places. With a formula they are given here: numbers, or
    distributions, ``{"x": mb.Normal(0.4, 0.1)}``, from which each simulated study draws its own.
    With ``fit=pilot`` each study has one draw of the pilot's posterior, so that what the pilot
    leaves open counts. With a `Model` they are drawn from its priors.

    Parameters
    ----------
    model
        The formula by which data are made and analysed, as in `simulate`; or a `Model`.
    groups, rows
        Numbers of levels, and of rows in each combination of them; `groups` and `per_group` of
        `simulate`; 10 rows by default. `power` varies them.
    effects
        True population effects by term, link scale: ``{"Intercept": 2, "arm:time": 0.3}``.
    sd, cor, sigma, parameters
        True sds and correlations of the group effects, and the family's parameters, as in
        `simulate`.
    fit
        A pilot. Its levels stand for those to come: other numbers of levels take the rows of the
        pilot's levels in turn, and their effects are drawn anew.
    family, residual, covariates, data, known
        As in `simulate`. Of other numbers of levels or rows than `data` have, those of the data are
        taken in turn.
    priors, formulation
        Of the analysis, as in `Model`; default priors are made of each simulated data set, as they
        would be of real ones.
    dropout
        The share of levels that leave: they have their first rows alone, any number of them as
        likely as every other. ``{"patient": 0.2}`` where there are several factors. Whether a level
        leaves does not depend on its response.

    Returns
    -------
    Study

    Raises
    ------
    ModelError, DataError, FormulaError
        Each says what is lacking.

    See Also
    --------
    simulate : One data set with known truth.
    truth : Truth beside estimates.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> lab = mb.study(
    ...     "y ~ arm + (1 | g)", groups={"g": 20}, rows=5, effects={"arm": 1.0}, sd={"g": 0.5},
    ...     covariates={"arm": {"g": [0, 1]}},
    ... )
    >>> found = lab.power("arm > 0", simulations=4, draws=100, seed=1)
    >>> found.table.columns.tolist()
    ['simulations', 'power', 'lower', 'upper', 'estimate', 'truth', 'width', 'coverage', 'type_s',
    'type_m', 'not_converged']
    """
    true = {"effects": effects, "sd": sd, "cor": cor, "sigma": sigma, **parameters}
    layout = {"groups": groups, "rows": rows, "covariates": covariates, "data": data}
    if fit is not None or isinstance(model, Model):
        of = "fit" if fit is not None else "a Model"
        other = {"residual": residual, "known": known, "priors": priors}
        beside = [k for k, v in {**true, **layout, **other}.items() if v is not None]
        plain = {"family": "gaussian", "formulation": "auto"}
        said = {"family": family, "formulation": formulation}
        beside += [k for k, v in said.items() if v != plain[k]]
        if fit is not None and model is not None:
            beside = ["model", *beside]
        if beside:
            raise ModelError(
                f"{of} has the design, the true values and the analysis, so that "
                f"{', '.join(beside)} cannot be given beside it; vary the design by "
                "power(..., n=...)"
            )
        if fit is not None:
            if not isinstance(fit, Fit):
                raise ModelError(f"fit is a Fit of a pilot study, got {type(fit).__name__}")
            source = Drawn.of_fit(fit, dropout)
        else:
            assert isinstance(model, Model)
            source = Drawn.of_model(model, dropout)
        source.check()
        return Study(source, source.made.formula.text)
    if not isinstance(model, str | Sequence):
        raise ModelError(
            'study() needs a formula, a Model, or the fit of a pilot: mb.study("y ~ x + (1 | g)", '
            'groups={"g": 20}, effects={"x": 0.5}) or mb.study(fit=pilot)'
        )
    twice = [k for k, v in layout.items() if v is not None and k != "data"]
    if data is not None and twice:
        raise DataError(
            f"data are the rows themselves, so that {', '.join(twice)} cannot be given beside "
            "them; vary numbers of levels and rows by power(..., n=...)"
        )
    own = parameters if sigma is None else {names.SIGMA: sigma} | parameters
    given = Given(
        formula=model,
        groups=dict(groups or {}),
        rows=rows,
        mean={"fixef": effects, "sd": sd, "cor": cor},
        own=own,
        layout={"covariates": covariates, "data": data},
        kept={"family": family, "residual": residual, "known": known},
        analysed={"priors": priors, "formulation": formulation},
        dropout=dropout,
    )
    lab = Study(given, model if isinstance(model, str) else "; ".join(model))
    lab.data(seed=0)  # which raises what is wrong with the plan
    return lab
