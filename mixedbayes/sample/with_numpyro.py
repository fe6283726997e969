"""numpyro's NUTS on a pm.Model, an extra."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from mixedbayes import names
from mixedbayes.errors import SamplingError
from mixedbayes.sample.labels import STATS, labelled
from mixedbayes.sample.result import SamplingResult, Timings
from mixedbayes.sample.settings import Settings


def sample_numpyro(
    model: pm.Model,
    settings: Settings,
    *,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
) -> SamplingResult:
    """Sample with numpyro, all chains as one vectorised computation, whatever `cores` is.

    It runs inside one compiled loop, so there is no progress display, a Ctrl-C keeps nothing, and
    compiling cannot be told from sampling.
    """
    import numpyro

    begin = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=FutureWarning)
            tree = _sample(model, settings, keep, initial_points)
    except KeyboardInterrupt as error:
        raise SamplingError(
            "Sampling was interrupted, and numpyro keeps no draws of an unfinished run. Use "
            'sampler="nutpie" or sampler="pymc" where you may want to stop early.'
        ) from error
    seconds = time.perf_counter() - begin
    posterior, stats = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()
    arrays = {
        n: np.asarray(posterior[n].transpose(names.CHAIN, names.DRAW, ...), float) for n in keep
    }
    return SamplingResult(
        posterior=labelled(arrays, model),
        sample_stats=_statistics(stats, settings),
        settings=settings,
        version=str(numpyro.__version__),
        timings=Timings(compile=0.0, tune=0.0, sample=seconds),
    )


def _sample(
    model: pm.Model,
    settings: Settings,
    keep: Sequence[str],
    initial_points: Mapping[str, Any] | None,
) -> xr.DataTree:
    return pm.sample(
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        random_seed=settings.seed,
        model=model,
        var_names=list(keep),
        nuts_sampler="numpyro",
        nuts={
            "target_accept": settings.target_accept,
            "max_tree_depth": settings.max_treedepth,
            "chain_method": "vectorized",
        },
        initvals=None if initial_points is None else dict(initial_points),
        progressbar=False,
        quiet=True,
        compute_convergence_checks=False,
    )


def _statistics(stats: xr.Dataset, settings: Settings) -> xr.Dataset:
    found = {name: stats[name].to_numpy() for name in STATS if name in stats}
    found["lp"] = -found["lp"]  # numpyro's potential energy is minus the log density
    longest = 2**settings.max_treedepth - 1
    found["reached_max_treedepth"] = np.asarray(found["n_steps"]) >= longest
    chains, draws = found["n_steps"].shape
    return xr.Dataset(
        {name: ((names.CHAIN, names.DRAW), np.asarray(v)) for name, v in found.items()},
        coords={names.CHAIN: np.arange(chains), names.DRAW: np.arange(draws)},
    )
