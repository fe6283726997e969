"""NUTS in the few parameters of a generalised model, its group effects integrated by quadrature."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mixedbayes.engines.base import Chosen, Engine
from mixedbayes.engines.whitened import sample_whitened
from mixedbayes.errors import ModelError
from mixedbayes.model.formulations import Formulation
from mixedbayes.model.spec import Spec
from mixedbayes.numerics.threads import available_cores, one_blas_thread
from mixedbayes.sample.result import SamplingResult
from mixedbayes.sample.settings import Settings

if TYPE_CHECKING:
    pass

# Effects below which the joint engine has more effective draws in a second (measured on Poisson and
# binary rows, five a level: a tenth as many at 100 effects, half at 600, eight times at 2,000).
FEWEST = 1000
MOVED = 0.05  # posterior sds that a finer rule may move a mean without a word


@dataclass(frozen=True)
class Quadrature(Formulation):
    """Effects of one grouping factor integrated out numerically, and drawn back exactly.

    By adaptive Gauss-Hermite quadrature with `nodes` in each dimension of a level's effects; None:
    as many as change the log posterior by less than 0.01 beside the next finer rule. For the whole
    model.
    """

    nodes: int | None = None

    def __post_init__(self) -> None:
        given = self.nodes
        if given is None:
            return
        if isinstance(given, bool) or not isinstance(given, Integral) or not 3 <= given <= 100:
            raise ModelError(
                f"Quadrature(nodes={given!r}): must be an integer from 3 to 100, or None"
            )
        object.__setattr__(self, "nodes", int(given))


@dataclass(frozen=True)
class QuadratureEngine(Engine):
    """The posterior of coefficients, variances and family's parameters alone; then the effects.

    Samplers other than nutpie sample the pm.Model with its group effects.
    """

    name: ClassVar[str] = "quadrature"
    formulations: ClassVar[tuple[type[Formulation], ...]] = (Quadrature,)
    reason: ClassVar[str] = (
        "the effects of each level are integrated out by quadrature, so that NUTS moves in few "
        "parameters"
    )

    def obstacle(self, spec: Spec) -> str | None:
        from mixedbayes.quadrature.obstacle import obstacle

        return obstacle(spec.design, spec.family, spec.priors)

    def burden(self, spec: Spec) -> str | None:
        (g,) = spec.design.mu.groups
        few = g.n_levels * len(g.terms)
        return f"{few:,} effects are few enough to be sampled" if few < FEWEST else None

    def account(self, spec: Spec, settings: Settings, chosen: Chosen) -> str:
        if settings.sampler != "nutpie":
            return "All parameters were sampled jointly."
        return (
            "The group effects were integrated out of the posterior by adaptive Gauss-Hermite "
            "quadrature, so that the sampler moved in the other parameters alone; they were then "
            "drawn from their exact conditional distribution given each draw."
        )

    def sample(self, spec: Spec, settings: Settings, chosen: Chosen) -> SamplingResult:
        if settings.sampler != "nutpie":
            return self.sample_with_effects(spec, settings, chosen)
        (asked,) = chosen.groups.values()
        with one_blas_thread():
            return _sample(spec, settings, asked.nodes if isinstance(asked, Quadrature) else None)


def _sample(spec: Spec, settings: Settings, nodes: int | None) -> SamplingResult:
    from mixedbayes.joint.search import start
    from mixedbayes.marginal.surrogate import MOST_COORDINATES, fit_surrogate
    from mixedbayes.quadrature.density import QuadratureDensity
    from mixedbayes.quadrature.draws import draw
    from mixedbayes.quadrature.resolve import resolve, shift
    from mixedbayes.quadrature.rule import Rule
    from mixedbayes.sample.defaults import QUADRATURE, measured_non_normality
    from mixedbayes.sample.density import THETA
    from mixedbayes.sample.labels import named_result
    from mixedbayes.sample.transitions import sample_transitions

    began, cores = time.perf_counter(), settings.cores or available_cores()
    q = len(spec.design.mu.groups[0].terms)
    plain = QuadratureDensity.of(spec.design, spec.family, spec.priors, Rule.product(1, q))
    joint = plain.layout.joint
    first = np.concatenate([start(joint), joint.start()])
    resolved = resolve(plain, first, nodes, cores)
    white, mode = resolved.white, resolved.mode
    near = fit_surrogate(white, cores) if white.ndim <= MOST_COORDINATES else None
    result = None if near is None else sample_transitions(white, near, settings)
    if result is None:
        white = replace(white, surrogate=near)
        non_normality = (
            near.non_normality if near else measured_non_normality(white.logp_grad, white.ndim)
        )
        result, eta = sample_whitened(white, mode, non_normality, QUADRATURE, settings)
    else:
        eta = result.posterior[THETA].to_numpy().reshape(-1, white.ndim)
    t = white.whitening.to_theta(eta)
    theta = t if white.tails is None else white.tails.phi(t)
    phi, coefficients = theta[:, : joint.n_hyper], theta[:, joint.n_hyper :]
    effects = draw(white, phi, coefficients, np.random.default_rng(result.seed), cores)
    values = joint.told(phi, [effects], coefficients)
    moved = shift(resolved, eta, cores)
    if not moved <= MOVED:
        said = (
            f"Effects are integrated with {resolved.nodes} nodes in each dimension, and a finer "
            f"rule moves a posterior mean by {moved:.2g} sd. Remedy: "
            "formulation=mb.PartiallyCentered(), which needs no quadrature."
        )
        result = replace(result, note=f"{result.note} {said}".strip())
    return named_result(spec, result, values, began)
