"""`mixedbayes.fit_many`: one model in several data sets, as one posterior."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, cast

import numpy as np
import pandas as pd

from mixedbayes.api.again import said
from mixedbayes.api.arguments import told
from mixedbayes.api.batches import check_in_memory
from mixedbayes.api.model import Fit, Model
from mixedbayes.api.sampled import Sampled
from mixedbayes.api.separate import Fits, by_columns, by_responses, fit_each, worst
from mixedbayes.design import table
from mixedbayes.engines.choose import Request
from mixedbayes.errors import DataError, MixedBayesError, ModelError, SamplingError, listed
from mixedbayes.families.base import Family
from mixedbayes.formula import parse_all
from mixedbayes.formula.responses import responses
from mixedbayes.model.spec import Spec
from mixedbayes.predict.streams import checked_seed
from mixedbayes.results.cache import of_rows, prepare
from mixedbayes.results.library import answer
from mixedbayes.results.pooled import Pooled, check_alike
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.tables import Chains
from mixedbayes.results.text import plural
from mixedbayes.sample.settings import SamplerName, Settings

_SEEDS = 2**31 - 1


class FitMany(Fit):
    """Draws of one model in several data sets, pooled; see `fit_many`.

    What follows from the draws is that of `Fit`: tables, hypotheses, predictions of new data,
    pictures of coefficients. ess_bulk, ess_tail and mcse are those of all data sets together, and
    rhat is the largest among them: chains of different data sets need not agree. `r2`, `icc`,
    `means`, `comparisons` and `slopes` average over the rows of every data set with its own draws.
    What is about single rows is refused, and `fits` has the fit of each.

    Attributes
    ----------
    fits
        The fit of each data set, by its name.
    """

    refused: ClassVar[tuple[str, ...]] = (
        "explained", "shrinkage", "pooling", "residuals", "condition_on", "posterior_predictive",
        "prior_predictive", "simulate", "missing", "imputed", "loo", "kfold", "log_likelihood",
        "log_evidence", "check", "pp_check", "prior_sensitivity", "plot_shrinkage", "plot_pooling",
        "plot_pooling_factor", "plot_fitted", "plot_predictions", "plot_simpson", "plot_residuals",
        "plot_check", "ways", "report", "methods", "save",
    )  # fmt: skip
    # Of the rows' predictors alone: refused where these differ.
    of_rows: ClassVar[tuple[str, ...]] = (
        "fitted", "edf", "smooths", "plot_smooths", "plot_means", "plot_comparisons",
        "plot_slopes", "grid",
    )  # fmt: skip
    averaged: ClassVar[tuple[str, ...]] = ("means", "comparisons", "slopes")

    def __init__(self, fits: Mapping[str, Fit]) -> None:
        self.fits = dict(fits)
        self.model = next(iter(self.fits.values())).model
        self.posterior: Posterior = Pooled.of({k: f.posterior for k, f in self.fits.items()})

    def data_sets(self) -> pd.DataFrame:
        """The sampler's health in each data set.

        Returns
        -------
        DataFrame
            One row per data set:

            - data_set: its name;
            - rows: how many were used;
            - draws: how many it adds;
            - divergences: trajectories that diverged;
            - rhat: the largest;
            - ess_bulk, ess_tail: the smallest effective numbers of draws;
            - converged: whether no check failed.

        Raises
        ------
        ModelError
            As `Fit.diagnostics` of a data set does.

        See Also
        --------
        diagnostics : Of all data sets together.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> sleep = mb.load_data("sleepstudy")
        >>> sleep.loc[[4, 9], "Reaction"] = None
        >>> fit = mb.fit("Reaction | mi() ~ Days + (1 | Subject)", sleep, seed=1)
        >>> sets = fit.imputed(3)
        >>> pooled = mb.fit_many("Reaction ~ Days + (1 | Subject)", sets, seed=1)
        >>> pooled.data_sets()[["data_set", "rows", "converged"]]
          data_set  rows  converged
        0        1   180       True
        1        2   180       True
        2        3   180       True
        """
        rows = []
        for name, fit in self.fits.items():
            report = fit.diagnostics()
            of = {"data_set": name, "rows": fit.posterior.design.used, "draws": report.draws}
            rows.append({**of, **worst(report)})
        return answer(pd.DataFrame(rows), self.library)

    def predict(self, new: Any = None, **asked: Any) -> Any:
        """`Fit.predict` of new data, by the draws of all data sets."""
        if new is None:
            self._refuse("predict() without new data")
        return super().predict(new, **asked)

    def summary(self, *args: Any, **kwargs: Any) -> Any:
        """`Fit.summary` of the pooled draws."""
        found = super().summary(*args, **kwargs)
        chains, draws = next(iter(self.fits.values())).posterior.shape
        said = (
            f"{len(self.fits)} imputed data sets, {plural(chains, 'chain')} of {draws:,} in each, "
            "pooled; rhat is the largest among them"
        )
        facts = ((k, said if k == "draws" else v) for k, v in found.facts)
        return replace(found, facts=tuple(facts))

    def _refuse(self, what: str) -> NoReturn:
        self.posterior.need_one_data_set(what)
        raise AssertionError

    def __repr__(self) -> str:
        return str(self.summary())


def _refused(name: str) -> Callable[..., NoReturn]:
    def call(self: FitMany, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse(f"{name}()")

    return _called(call, name, "Refused: it is of the rows of one data set; see `fits`.")


def _of_rows(name: str) -> Callable[..., Any]:
    def call(self: FitMany, *args: Any, **kwargs: Any) -> Any:
        self.posterior.need_same_predictors(f"{name}()")
        return getattr(Fit, name)(self, *args, **kwargs)

    return _called(call, name, f"`Fit.{name}`, where data sets differ in the response alone.")


def _averaged(name: str) -> Callable[..., Any]:
    """Estimands of each data set's rows by its own draws, side by side."""

    def call(self: FitMany, *args: Any, **kwargs: Any) -> Any:
        found = [getattr(fit, name)(*args, **kwargs) for fit in self.fits.values()]
        first = found[0]
        columns = [c for c in (*first.focal, *first.by) if c in first.grid]
        for label, other in zip(self.fits, found, strict=True):
            same = len(other.grid) == len(first.grid)
            if not same or not other.grid[columns].equals(first.grid[columns]):
                raise DataError(
                    f"{name}(): data set {label} has other rows to answer for than the first, "
                    "because the values of a column differ: name the values, at={...}"
                )
        sampled = np.concatenate([each.sampled for each in found], axis=1)
        chains = sum(each.chains for each in found)
        return replace(first, sampled=sampled, chains=Chains.of(chains, len(found)))

    return _called(call, name, f"`Fit.{name}` over the rows of every data set, by its own draws.")


def _called(call: Any, name: str, doc: str) -> Any:
    call.__name__, call.__qualname__, call.__doc__ = name, f"FitMany.{name}", doc
    return call


for _name in FitMany.refused:
    setattr(FitMany, _name, _refused(_name))
for _name in FitMany.of_rows:
    setattr(FitMany, _name, _of_rows(_name))
for _name in FitMany.averaged:
    setattr(FitMany, _name, _averaged(_name))


@told
def fit_many(
    model: str | Sequence[str] | Model,
    data: Any,
    *,
    by: str | Sequence[str] | None = None,
    family: str | Family | type[Family] = "gaussian",
    priors: Mapping[str, Any] | None = None,
    formulation: Request = "auto",
    functions: Mapping[str, Callable[..., Any]] | None = None,
    missing: Literal["drop", "error"] = "drop",
    known: Mapping[str, Any] | None = None,
    residual: str | None = None,
    draws: int = 1000,
    tune: int | None = None,
    chains: int = 4,
    cores: int | None = None,
    seed: int | None = None,
    sampler: SamplerName = "nutpie",
    target_accept: float | None = None,
    max_treedepth: int = 10,
    progress: bool = True,
    cache: str | Path | None = None,
    workers: int | None = None,
    keep: bool = True,
) -> FitMany | Fits:
    """Fit one model to many data sets: pooled, if they are imputations of one, or each by itself.

    Several imputed data sets, a list or dictionary of data frames, are pooled: the posterior is the
    average of theirs, p(theta) = (1/M) sum_m p(theta | D_m), by as many draws of each; uncertainty
    about what is missing is the spread between them, as with brm_multiple of brms. Default priors
    are those of the first data set in all.

    One data frame with ``by="region"`` is fitted region by region, with nothing in common but the
    formula: default priors are those of each. A `Model` and a frame of responses, a column each,
    are as many fits of the model's rows.

    Parameters
    ----------
    model
        A formula, or formulas, as in `Model`; or a `Model`, whose formula, family, priors,
        formulation, functions, known relations and structure of residuals are taken.
    data
        The data sets: a list of data frames, or what yields them, which are then called "1", "2",
        ..., or a dictionary by name. `Fit.imputed` makes such of missing responses. With `by` one
        data frame; of a `Model` without it a data frame, or an array (n, R), of responses.
    by
        The column, or columns, whose values tell the data sets apart.
    family, priors, formulation, functions, missing, known, residual
        As in `Model`.
    draws, tune, chains, cores, sampler, target_accept, max_treedepth, progress, cache
        As in `Model.fit`, for each data set. With a cache, a run that was interrupted goes on
        where it stopped.
    seed
        Of the first data set; those of the others follow it. Of separate fits each has its own, by
        the values of `by`.
    workers
        Processes at once, of separate fits: None is this one, or those of an active
        ``joblib.parallel_config``, whose backends (loky, Dask, Ray) then do the work; -1 as many as
        there are cores. Chains of a fit are then sampled one after the other.
    keep
        Of separate fits: whether each is kept in memory. If not, its table and its health are, and
        ``fits[unit]`` reads it from the cache, or samples it again.

    Returns
    -------
    FitMany
        Of imputations: a `Fit` of the pooled draws; `fits` has that of each data set, and
        `data_sets()` its health.
    Fits
        Of separate fits: `units()` has the health of each, `table()` every quantity of all,
        `apply()` what is asked of each, and ``fits[unit]`` a fit. A data set that cannot be fitted
        is a row that says why.

    Raises
    ------
    ModelError
        There are fewer than two data sets, or what belongs to a `Model` is given beside one; or
        the formula of imputed data sets has several responses; or something does not travel to
        other processes.
    DataError
        A column of `by` is not there or has missing values, or responses have other rows; or
        a data set has other levels, columns or learned transforms than the first; it is named.
    SamplingError
        A setting is out of range, a cache has no seed, or a process ended before its work was done.
    MixedBayesError
        All separate fits failed for one reason.

    See Also
    --------
    imputed : Of `Fit`: data sets with missing responses drawn.
    fit : One data set.
    with_data : Of `Model`: the same model of other data.

    Examples
    --------
    Each data set by itself, eighteen regressions:

    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> many = mb.fit_many("Reaction ~ Days", sleep.head(30), by="Subject", seed=1)
    >>> many.units()[["Subject", "rows", "converged", "error"]]
      Subject  rows  converged error
    0     308    10       True
    1     309    10       True
    2     310    10       True
    >>> many.apply("fixef")[["Subject", "term", "mean", "sd"]].head(2)
      Subject       term  mean    sd
    0     308  Intercept 245.8 33.00
    1     308       Days 21.47 6.172

    Imputed data sets, pooled:

    >>> sleep.loc[[4, 9], "Reaction"] = None
    >>> fit = mb.fit("Reaction | mi() ~ Days + (1 | Subject)", sleep, seed=1)
    >>> pooled = mb.fit_many("Reaction ~ Days + (1 | Subject)", fit.imputed(3), seed=1)
    >>> pooled.fixef()[["term", "mean", "sd"]]
            term  mean     sd
    0  Intercept 251.7  10.17
    1       Days 10.26 0.7946
    """
    given: dict[str, Any] = {
        "family": family, "priors": priors, "formulation": formulation, "functions": functions,
        "missing": missing, "known": known, "residual": residual,
    }  # fmt: skip
    how = Settings(
        draws, tune, chains, cores, None, sampler, target_accept, max_treedepth, progress
    )
    base = secrets.randbelow(_SEEDS) if seed is None else checked_seed(seed)
    if cache is not None:
        if seed is None:
            raise SamplingError(
                "cache= needs a seed, by which a run that was interrupted finds its fits again: "
                "add seed=1"
            )
        prepare(cache)
    formula, given = _of_model(model, given) if isinstance(model, Model) else (model, given)
    if by is not None or (isinstance(model, Model) and _is_frame(data)):
        return _separate(
            model, data, by, partial(Model, formula, **given), how, cache=cache, seed=base,
            workers=workers, keep=keep, progress=progress,
        )  # fmt: skip
    if workers is not None or not keep:
        raise ModelError(
            "workers and keep are of separate fits, by= a column or of a Model and responses"
        )
    sets = _named(data)
    if several := responses(model.formula if isinstance(model, Model) else parse_all(model)):
        raise ModelError(
            f"fit_many() pools data sets of one response, and there are {', '.join(several)}: fit "
            "one response by itself, or the data sets one by one with mb.fit(), whose draws xarray "
            "joins"
        )
    models: dict[str, Model] = {}
    for label, frame in sets.items():
        try:
            models[label] = Model(formula, frame, **cast(Any, given))
        except MixedBayesError as error:
            raise type(error)(f"data set {label}: {error}") from error
    first = next(iter(models.values()))
    shared = first.spec.priors
    if cache is not None:
        shared = replace(shared, of=of_rows(first.design.whole))
    for label, own in models.items():
        if own is not first:
            check_alike(first.spec, own.spec, label)
            own.spec = Spec(own.design, own.family, shared)
    settings = [replace(how, seed=(base + k) % _SEEDS, effects="draws") for k in range(len(models))]
    return FitMany(
        {
            label: Sampled.of(own, each, cache).fit
            for (label, own), each in zip(models.items(), settings, strict=True)
        }
    )


def _is_frame(data: Any) -> bool:
    """Whether something is one table, and not several."""
    return hasattr(data, "columns") or isinstance(data, np.ndarray)


def _separate(
    model: str | Sequence[str] | Model,
    data: Any,
    by: str | Sequence[str] | None,
    make: Callable[[pd.DataFrame], Model],
    how: Settings,
    *,
    cache: str | Path | None,
    seed: int,
    workers: int | None,
    keep: bool,
    progress: bool,
) -> Fits:
    """Every data set by itself."""
    names: tuple[str, ...]
    if by is None:
        assert isinstance(model, Model)
        frames, names = by_responses(model, data), ("response",)
        library = model.design.library
    else:
        if not isinstance(by, str | Sequence):
            raise ModelError(
                f'by={by!r} does not name columns, each once: by="region", or by=["region", "year"]'
            )
        names = (by,) if isinstance(by, str) else tuple(by)
        check_in_memory(data, f"fit_many(by={by!r})")
        frames, library = by_columns(data, names), table(data, names).library
    if not frames:
        raise DataError("fit_many(): the data have no rows")
    title = model.formula.text if isinstance(model, Model) else parse_all(model).text
    return fit_each(
        frames, make, how, cache=cache, by=names, title=title, library=library, seed=seed,
        workers=workers, keep=keep, progress=progress,
    )  # fmt: skip


def _named(data: Any) -> dict[str, Any]:
    if isinstance(data, Mapping):
        sets = {str(name): frame for name, frame in data.items()}
        if len(sets) < len(data):
            raise ModelError(
                f"fit_many() calls data sets by their names as text, and of {len(data)} names "
                f"{len(sets)} differ as such: {listed(list(data))}; give each its own"
            )
    elif isinstance(data, Sequence | Iterator) and not isinstance(data, str | bytes):
        sets = {str(k): frame for k, frame in enumerate(data, 1)}
    else:
        raise ModelError(
            "fit_many() takes a list of data frames, or a dictionary of them by name, not "
            f"{type(data).__name__}; one data frame is fitted by mb.fit()"
        )
    if len(sets) < 2:
        raise ModelError(
            f"fit_many() pools several data sets, and there {'is' if sets else 'are'} {len(sets)}; "
            "one is fitted by mb.fit()"
        )
    return sets


def _of_model(model: Model, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What a model says, where nothing else is said beside it."""
    plain = {"family": "gaussian", "formulation": "auto", "missing": "drop"}
    twice = [name for name, value in given.items() if value != plain.get(name)]
    if twice:
        raise ModelError(f"fit_many() of a Model: {twice[0]} is the model's own; give it there")
    return said(model)
