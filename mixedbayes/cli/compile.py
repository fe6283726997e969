"""`mixedbayes compile`: what first fits would compile, beforehand."""

from __future__ import annotations

import time
import warnings
from typing import Any

import click

from mixedbayes.cli import exits

# Small fits that together call every compiled function of the engines: title, family, data set,
# formula, other arguments of the model and of the fit.
KINDS: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
    ("one grouping factor", "gaussian", "sleepstudy", "Reaction ~ Days + (Days | Subject)", {}),
    ("nested factors", "gaussian", "pastes", "strength ~ 1 + (1 | batch / cask)", {}),
    ("smooths", "gaussian", "sleepstudy", "Reaction ~ s(Days, k=5) + (1 | Subject)", {}),
    (
        "correlated residuals", "gaussian", "sleepstudy", "Reaction ~ Days + (1 | Subject)",
        {"residual": "ar1(Days | Subject)"},
    ),
    ("counts", "poisson", "grouseticks", "TICKS ~ YEAR + (1 | BROOD)", {}),
    ("overdispersed counts", "negative_binomial", "grouseticks", "TICKS ~ YEAR + (1 | BROOD)", {}),
    ("shares of trials", "binomial", "cbpp", "incidence | trials(size) ~ period + (1 | herd)", {}),
    ("ordered categories", "cumulative", "wine", "rating ~ temp + (1 | judge)", {}),
)  # fmt: skip
# Formulations of engines that a family is compiled for; None is the one that is chosen.
_FORMULATIONS: dict[str, tuple[str | None, ...]] = {
    "gaussian": (None,),
}
_OTHERS = ("Quadrature", "PartiallyCentered")
_DRAWS = 20


@click.command("compile", epilog=exits.HELP)
@exits.guarded
def compile_all() -> int:
    """Compile what first fits would, once for this installation.

    A first fit compiles the functions that it calls, in some seconds, and keeps them on disk.
    For images of containers and rooms of pupils this command does it beforehand, by small fits of
    each kind of model. What a fit of another family needs beside it, one loop over its rows, is
    compiled when it is first fitted.
    """
    from mixedbayes.jit import kept_in, watched
    from mixedbayes.marginal.evaluate import density

    folder, began, count = kept_in(density), time.perf_counter(), 0
    if folder is None:
        from mixedbayes.errors import FileError

        raise FileError(
            "compiled functions cannot be kept: neither the installation nor the user's cache can "
            "be written; set NUMBA_CACHE_DIR to a folder that can, here and where models are fitted"
        )

    def told(_name: str) -> None:
        nonlocal count
        count += 1

    with watched(told):
        for title, family, data, formula, others in KINDS:
            exits.say(f"{title}: {formula}")
            _fit(family, data, formula, others)
    seconds = time.perf_counter() - began
    done = f"compiled {count} functions in {seconds:.0f} s" if count else "all was compiled before"
    exits.say(f"{done}; they are kept in {folder} and beside their sources")
    return exits.OK


def _fit(family: str, data: str, formula: str, others: dict[str, Any]) -> None:
    import mixedbayes as mb

    model = mb.Model(formula, mb.load_data(data), family=family, **others)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few draws do not converge, which is no news
        for name in _FORMULATIONS.get(family, _OTHERS):
            for effects in ("draws", "summary") if name is None else ("auto",):
                model.fit(
                    draws=_DRAWS, tune=2 * _DRAWS, chains=1, seed=1, progress=False,
                    effects=effects, formulation=None if name is None else getattr(mb, name)(),
                )  # fmt: skip
