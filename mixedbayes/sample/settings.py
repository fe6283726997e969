"""How to sample: validated before anything is compiled."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from importlib.util import find_spec
from numbers import Integral, Real
from typing import Literal, get_args

from mixedbayes.errors import MissingExtraError, SamplingError
from mixedbayes.numerics.threads import available_cores

SamplerName = Literal["nutpie", "pymc", "numpyro"]
SAMPLERS: tuple[str, ...] = get_args(SamplerName)
Keep = Literal["auto", "draws", "summary"]  # of the group effects
KEEP: tuple[str, ...] = get_args(Keep)

# Extras of the package: module that must be importable -> name of the extra that brings it.
_EXTRA = {"numpyro": "numpyro"}
_MOST = 10**9
_MAX_SEED = 2**31 - 1
MAX_TREEDEPTH = 10
_NEVER_OPEN = ("draws", "chains", "max_treedepth")


@dataclass(frozen=True)
class Settings:
    """Settings of a sampler; what is None is chosen for the problem at hand, see `filled`.

    The sampler is NUTS, except that with "nutpie" some posteriors are sampled by chains without
    trees, where these take fewer evaluations of the density: Hamiltonian Monte Carlo by quarter
    turns, on the density or on a polynomial close to it, whose proposals the density accepts or
    refuses. They have no use for `target_accept` and `max_treedepth`; who gives either gets NUTS.

    Parameters
    ----------
    draws
        Draws kept per chain, after tuning.
    tune
        Tuning draws per chain, discarded. None: chosen by the kind of posterior.
    chains
        Independent chains; rhat needs at least two.
    cores
        Chains that run at the same time. None: as many as there are processors, at most `chains`.
        The draws do not depend on it.
    seed
        0 to 2**31 - 1. None: one is drawn from the operating system's entropy and kept in the
        result. The same seed gives the same draws.
    sampler
        "nutpie" (default), "pymc" (PyMC's own NUTS) or "numpyro" (an extra).
    target_accept
        Acceptance rate that the step size of NUTS is tuned to, in (0, 1). None: chosen by the kind
        of posterior.
    max_treedepth
        A trajectory of NUTS has at most 2**max_treedepth - 1 leapfrog steps.
    progress
        Show one progress display in a terminal or a notebook; elsewhere nothing is ever printed.
    effects
        What is kept of the group effects: "draws", "summary" (mean, sd and quantiles; with
        ``Marginal()`` and ``Quadrature()``), or "auto": draws, unless these would take more than
        2 GB there.

    Raises
    ------
    SamplingError
        A value is out of range or the sampler's name is unknown.
    MissingExtraError
        The sampler is an extra that is not installed.
    """

    draws: int = 1000
    tune: int | None = None
    chains: int = 4
    cores: int | None = None
    seed: int | None = None
    sampler: SamplerName = "nutpie"
    target_accept: float | None = None
    max_treedepth: int = MAX_TREEDEPTH
    progress: bool = True
    effects: Keep = "auto"

    def __post_init__(self) -> None:
        counts = {
            "draws": (1, "ask for at least one draw per chain"),
            "tune": (20, "use tune=None for a length that suits the model"),
            "chains": (1, "use chains=4, or chains=1 without rhat"),
            "cores": (1, "use cores=None for all processors"),
            "seed": (0, f"use an integer from 0 to {_MAX_SEED}"),
            "max_treedepth": (1, "use max_treedepth=10"),
        }
        for name, (least, remedy) in counts.items():
            value = getattr(self, name)
            if value is not None or name in _NEVER_OPEN:
                self._set(name, _count(name, value, least, remedy))
        if self.seed is not None and self.seed > _MAX_SEED:
            raise SamplingError(
                f"seed={self.seed}: too large; use an integer from 0 to {_MAX_SEED}."
            )
        if self.target_accept is not None:
            self._set("target_accept", _rate(self.target_accept))
        self._set("progress", bool(self.progress))
        if self.effects not in KEEP:
            valid = ", ".join(f'"{k}"' for k in KEEP)
            raise SamplingError(f"effects={self.effects!r}: unknown; use one of {valid}.")
        _check_sampler(self.sampler)
        self._set("sampler", str(self.sampler))

    @property
    def of_nuts(self) -> bool:
        """Whether something is asked for that NUTS alone has."""
        return self.target_accept is not None or self.max_treedepth != MAX_TREEDEPTH

    def _set(self, name: str, value: object) -> None:
        """In Python's own types, whatever number types the caller uses: files hold no others."""
        object.__setattr__(self, name, value)

    def filled(self, *, tune: int, target_accept: float) -> Settings:
        """The same settings with nothing left open: seed drawn, cores counted, defaults set."""
        return replace(
            self,
            tune=self.tune if self.tune is not None else tune,
            cores=min(self.chains, self.cores if self.cores is not None else available_cores()),
            seed=self.seed if self.seed is not None else secrets.randbelow(_MAX_SEED + 1),
            target_accept=target_accept if self.target_accept is None else self.target_accept,
        )


def _count(name: str, value: object, least: int, remedy: str) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise SamplingError(f"{name}={value!r}: must be an integer; {remedy}.")
    if value < least:
        raise SamplingError(f"{name}={value}: must be at least {least}; {remedy}.")
    if int(value) > _MOST and name != "seed":
        raise SamplingError(f"{name}: more than {_MOST:,} cannot be had; {remedy}.")
    return int(value)


def _rate(value: object) -> float:
    if not (isinstance(value, Real) and value < 1 and not value <= 0):
        raise SamplingError(
            f"target_accept={value!r}: must lie between 0 and 1; values from 0.8 (fast) to "
            "0.99 (careful) are sensible."
        )
    return float(value)


def _check_sampler(name: object) -> None:
    if name not in SAMPLERS:
        valid = ", ".join(f'"{s}"' for s in SAMPLERS)
        raise SamplingError(f"sampler={name!r}: unknown; valid samplers are {valid}.")
    extra = _EXTRA.get(str(name))
    if extra and find_spec(str(name)) is None:
        raise MissingExtraError(
            f'sampler="{name}" needs the extra "{extra}", which is not installed; install '
            f'mixedbayes[{extra}], or use sampler="nutpie".'
        )
