"""Priors as Stan writes them."""

from __future__ import annotations

from mixedbayes.distributions import LKJ, Dirichlet, Prior

# Priors by Stan's names, on parameters whose bounds Stan knows; arguments by ours.
STAN: dict[str, tuple[str, tuple[str | float, ...]]] = {
    "Normal": ("normal", ("mu", "sigma")),
    "StudentT": ("student_t", ("nu", "mu", "sigma")),
    "Cauchy": ("cauchy", ("alpha", "beta")),
    "HalfNormal": ("normal", (0.0, "sigma")),
    "HalfStudentT": ("student_t", ("nu", 0.0, "sigma")),
    "HalfCauchy": ("cauchy", (0.0, "beta")),
    "Exponential": ("exponential", ("lam",)),
    "Gamma": ("gamma", ("alpha", "beta")),
    "InverseGamma": ("inv_gamma", ("alpha", "beta")),
    "Uniform": ("uniform", ("lower", "upper")),
}


def stan(prior: Prior) -> str:
    """A prior as Stan writes it."""
    if isinstance(prior, Dirichlet):
        return f"dirichlet({str(prior).replace('Dirichlet', 'c')})"
    if isinstance(prior, LKJ):
        return f"lkj({prior.eta:.6g})"
    name, arguments = STAN[type(prior).__name__]
    values = [getattr(prior, a) if isinstance(a, str) else a for a in arguments]
    return f"{name}({', '.join(f'{v:.6g}' for v in values)})"


def log_density(prior: Prior, of: str) -> str:
    """Of an expression, in the code of a model: up to a constant where only a half of it counts."""
    name, arguments = STAN[type(prior).__name__]
    values = [getattr(prior, a) if isinstance(a, str) else a for a in arguments]
    return f"{name}_lpdf({of} | {', '.join(f'{v:.6g}' for v in values)})"
