"""What a few rows say about new levels and about the parameters: by importance sampling.

In every posterior draw K effects u are proposed near their mode given the rows. Draw and effects
together have the weight p(y | draw, u) p(u) / q(u): weighted, they are draws of the posterior with
the rows added. Pareto smoothing of all weights tells how far they can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mixedbayes.design.types import Floats, Ints
from mixedbayes.predict.few import Few
from mixedbayes.predict.importance import Importance, resample, smooth
from mixedbayes.predict.newton import Given
from mixedbayes.predict.proposals import directions, propose
from mixedbayes.predict.streams import EFFECTS, RESAMPLING, stream
from mixedbayes.results.tables import tails

COUNT = 8  # proposals in each draw


@dataclass(frozen=True, eq=False)
class Weighted:
    """The new effects: K in each draw, each with its weight."""

    importance: Importance  # of the draws
    weights: Floats  # (S, K), their sum is 1
    effects: Floats  # (S, K, D) b

    def describe(self, at: slice, shift: Floats | float, prob: float) -> dict[str, Floats]:
        """Mean, sd and interval of some effects, shifted by (S, k)."""
        values = self.effects[:, :, at]
        if np.ndim(shift):
            values = values + np.asarray(shift)[:, None, :]
        values, weights = values.reshape(-1, values.shape[2]), self.weights.ravel()
        mean = weights @ values
        sd = np.sqrt(weights @ (values - mean) ** 2)
        lower, upper = (weighted_quantile(values, weights, p) for p in tails(prob))
        return {"mean": mean, "sd": sd, "lower": lower, "upper": upper}

    def drawn(self, seed: int) -> tuple[Ints, Floats]:
        """(S,) draws of equal weight, by resampling, and their effects (S, D)."""
        s, k, d = self.effects.shape
        at = resample(self.weights.ravel(), stream(seed, RESAMPLING), s)
        return at // k, self.effects.reshape(-1, d)[at]


def weighted(few: Few, seed: int) -> Weighted:
    """Proposals in every draw, and their weights."""
    s, d = few.n_draws, few.size
    z = directions(stream(seed, EFFECTS), s, COUNT, d)
    effects, log_ratio = np.empty((s, COUNT, d)), np.empty((s, COUNT))
    for at in few.blocks(s):
        given = Given(few.density(at), [few.eta[:, at].T], [few.design(at)])
        found = propose(given, z[at])
        effects[at] = found.u @ few.root(at).transpose(0, 2, 1)
        log_ratio[at] = found.log_ratio
    every = smooth(log_ratio.ravel())
    weights = every.weights.reshape(s, COUNT)
    return Weighted(Importance(weights.sum(axis=1), every.pareto_k), weights, effects)


def weighted_quantile(values: Floats, weights: Floats, p: float) -> Floats:
    """(K,) quantile p of weighted values (N, K), between the middles of the steps."""
    order = np.argsort(values, axis=0)
    w = weights[order]
    middle = np.cumsum(w, axis=0) - w / 2
    ordered = np.take_along_axis(values, order, axis=0)
    columns = range(values.shape[1])
    return np.array([np.interp(p, middle[:, k], ordered[:, k]) for k in columns])
