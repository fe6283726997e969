"""nutpie's NUTS on anything it can run: started, watched, stopped, and read out.

Everything that touches nutpie's conventions for a run is here; what is sampled is in `density` and
`compiled`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import nutpie
import pyarrow
import xarray as xr
from numpy.typing import NDArray

from mixedbayes import names
from mixedbayes.sample.labels import STATS
from mixedbayes.sample.progress import Silent, open_display
from mixedbayes.sample.result import Timings, interruption_note, largest_rectangle, not_finite
from mixedbayes.sample.settings import Settings

Floats = NDArray[np.float64]

# nutpie's names of the statistics, where they differ from ArviZ's
_NUTPIE = {
    "lp": "logp",
    "tree_depth": "depth",
    "acceptance_rate": "mean_tree_accept",
    "reached_max_treedepth": "maxdepth_reached",
}
_POLL_SECONDS = 0.1
_SETTLE_SECONDS = 0.5


@dataclass(frozen=True, eq=False)
class Run:
    """Raw draws of one run: name -> (chain, draw, ...), tuning left out."""

    draws: Mapping[str, Floats]
    stats: xr.Dataset
    seconds: float
    tuning_share: float  # of all gradient evaluations
    interrupted: bool
    note: str

    def timings(self, compiling: float) -> Timings:
        tuning = self.seconds * self.tuning_share
        return Timings(compile=compiling, tune=tuning, sample=self.seconds - tuning)


def run_nuts(
    model: Any,
    settings: Settings,
    *,
    keep: Sequence[str],
    adaptation: str = "diag",
    failure: Callable[[], BaseException | None] = lambda: None,
) -> Run:
    """Run nutpie on a compiled model; Ctrl-C keeps the draws so far.

    Parameters
    ----------
    model
        A nutpie CompiledModel.
    settings
        With nothing left open.
    keep
        Names of the variables to read out.
    adaptation
        nutpie's mass matrix adaptation: "diag" or "low_rank".
    failure
        Asked after the run for an error that happened inside the density.

    Raises
    ------
    SamplingError
        No valid starting point, or stopped before the first draw after tuning.
    """
    start = time.perf_counter()
    with _without_panic(failure):
        trace, interrupted = _watch(model, settings, adaptation, failure)
        seconds = time.perf_counter() - start
        error = failure()
        if error is not None:
            raise error
        draws, stats = trace.get_arrow_trace()
    tuned = [int(np.sum(~_column(s, "tuning"))) for s in stats]
    chains, length = largest_rectangle(tuned)
    cut = [slice(stats[c].num_rows - tuned[c], None) for c in chains]

    def read(batches: Any, name: str) -> Floats:
        return np.stack(
            [_column(batches[c], name)[s][:length] for c, s in zip(chains, cut, strict=True)]
        )

    steps = [_column(s, "n_steps") for s in stats]
    early = sum(int(n[: n.size - t].sum()) for n, t in zip(steps, tuned, strict=True))
    table = {
        name: ((names.CHAIN, names.DRAW), read(stats, _NUTPIE.get(name, name))) for name in STATS
    }
    return Run(
        draws={name: read(draws, name) for name in keep},
        stats=xr.Dataset(table, coords=_chain_draw(len(chains), length)),
        seconds=seconds,
        tuning_share=early / max(1, sum(int(n.sum()) for n in steps)),
        interrupted=interrupted,
        note=interruption_note(len(chains), length, settings) if interrupted else "",
    )


def nutpie_version() -> str:
    return str(nutpie.__version__)


def _chain_draw(chains: int, draws: int) -> dict[str, NDArray[np.int64]]:
    return {names.CHAIN: np.arange(chains), names.DRAW: np.arange(draws)}


def _watch(
    model: Any,
    settings: Settings,
    adaptation: str,
    failure: Callable[[], BaseException | None],
) -> tuple[Any, bool]:
    """The raw trace, and whether the user stopped the run."""
    latest: list[Any] = []
    total = settings.chains * (settings.draws + (settings.tune or 0))
    display = open_display(settings.chains, total, wanted=settings.progress)
    silent = isinstance(display, Silent)
    sampler = nutpie.sample(
        model,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        seed=settings.seed,
        target_accept=settings.target_accept,
        maxdepth=settings.max_treedepth,
        adaptation=adaptation,
        progress_bar=False,
        progress_callback=None if silent else _keeper(latest),
        return_raw_trace=True,
        blocking=False,
    )
    with display:
        try:
            while True:
                try:
                    return sampler.wait(timeout=None if silent else _POLL_SECONDS), False
                except TimeoutError:
                    continue
                finally:
                    _report(display, latest)
        except KeyboardInterrupt:
            return sampler.abort(), True
        except RuntimeError as error:
            # Other chains' threads end at their next draw; Python must not exit before they do.
            time.sleep(_SETTLE_SECONDS)
            raise failure() or not_finite(f"The sampler stopped: {_first_line(error)}") from error


@contextmanager
def _without_panic(failure: Callable[[], BaseException | None]) -> Iterator[None]:
    """A panic of nutpie's Rust code, which `except Exception` does not see, as a SamplingError."""
    try:
        yield
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise failure() or not_finite(f"The sampler failed: {_first_line(error)}") from error


def _keeper(latest: list[Any]) -> Callable[[list[Any]], None]:
    """A callback for nutpie's own thread that only stores what it is told."""

    def keep(chains: list[Any]) -> None:
        latest[:] = chains

    return keep


def _report(display: Any, latest: list[Any]) -> None:
    chains = list(latest)
    if chains:
        display.update(
            sum(c.finished_draws for c in chains),
            sum(c.divergences for c in chains),
            tuning=any(c.tuning for c in chains),
        )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if not line.startswith(("Caused by", "Stack"))][:2]
    return "; ".join(causes).rstrip(".") + "."


def _column(batch: Any, name: str) -> NDArray[Any]:
    """One column of an Arrow record batch, (rows, *shape of the variable)."""
    column = batch.column(name)
    metadata = column.field.metadata or {}
    text = metadata.get(b"shape", b"").decode()
    shape = tuple(int(s) for s in text.split(",") if s)
    values = pyarrow.array(column)
    flat = (values.flatten() if hasattr(values, "flatten") else values).to_numpy(
        zero_copy_only=False
    )
    if flat.dtype == np.uint64:
        flat = flat.astype(np.int64)
    return flat.reshape(batch.num_rows, *shape)
