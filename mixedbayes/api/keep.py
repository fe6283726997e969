"""Saving fits, loading them, and reading them from a cache instead of sampling again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixedbayes.design import used_columns, used_functions
from mixedbayes.errors import FileError, FormulaError, SamplingError
from mixedbayes.families.registry import family_from_names
from mixedbayes.formula import parse_all
from mixedbayes.model.coords import check_labels
from mixedbayes.model.formulations import (
    Centered,
    Chosen,
    Marginal,
    NonCentered,
    PartiallyCentered,
)
from mixedbayes.priors import codec
from mixedbayes.results import cache, store
from mixedbayes.results.store import SavedFit
from mixedbayes.sample.settings import Settings
from mixedbayes.sample.tree import without_free_variables

if TYPE_CHECKING:
    from mixedbayes.api.fit import Fit
    from mixedbayes.api.model import Model

FORMULATIONS = {f.__name__: f for f in (Marginal, NonCentered, Centered, PartiallyCentered)}
# Settings that do not change the draws, held at one value in the cache's keys.
NOT_ASKED = {"progress": True, "cores": None}
PACKAGES = ("mixedbayes", "pymc", "nutpie", "arviz", "numpy", "numba")


def save(fit: Fit, path: str | Path) -> Path:
    """Write a fit to one NetCDF file."""
    return store.write(path, _saved(fit))


def load(path: str | Path, *, functions: Mapping[str, Callable[..., Any]] | None = None) -> Fit:
    """Read a fit from a file written by `Fit.save`.

    Parameters
    ----------
    path
        The file.
    functions
        The functions of your own that the formula uses; a file never holds code.

    Raises
    ------
    FileError
        There is no such file, it is not one of ours, damaged, or from a newer version; or its
        formula uses functions that were not given.
    """
    return _restore(store.read(path), str(path), functions)


def lookup(
    folder: str | Path, model: Model, settings: Settings, chosen: Chosen, effects: str
) -> Fit | None:
    """The fit with this model and these settings from a cache, or None."""
    found = cache.lookup(folder, _key(model, settings, chosen, effects))
    return None if found is None else _restore(found, str(folder), model.functions)


def remember(folder: str | Path, fit: Fit, settings: Settings, effects: str) -> None:
    """Keep a fit in a cache, under the settings it was asked for."""
    cache.keep(folder, _key(fit.model, settings, fit.formulation, effects), _saved(fit))


def _key(model: Model, settings: Settings, chosen: Chosen, effects: str) -> str:
    if settings.seed is None:
        raise SamplingError(
            "cache= needs a seed, so that the fit kept is the one you would get: add seed=1"
        )
    if model.functions:
        raise SamplingError(
            f"cache= cannot tell whether your functions ({', '.join(model.functions)}) have "
            "changed; put their result into a column, or fit without cache="
        )
    family = model.family
    return cache.key(
        model.formula,
        model.data,
        family=f"{family.name}({family.link.name})",
        priors=codec.encode(model.user_priors),
        seed=settings.seed,
        settings=asdict(settings) | NOT_ASKED | {"formulation": _plain(chosen), "effects": effects},
        versions=_versions(),
    )


def _saved(fit: Fit) -> SavedFit:
    model = fit.model
    return SavedFit(
        formula=model.formula.text,
        family=model.family.name,
        link=model.family.link.name,
        priors=codec.encode(model.user_priors),
        data=model.data,
        idata=without_free_variables(fit.idata),
        settings=asdict(fit.settings),
        versions=_versions(),
        extra={
            "formulation": _plain(fit.formulation),
            "note": fit.note,
            "functions": _own_functions(model),
            "others": [other.text for other in model.formula.others],
            "intercept_at_means": _at_means(model),
            "units": {str(name): str(unit) for name, unit in fit.units.items()},
        },
    )


def _own_functions(model: Model) -> list[str]:
    """Names in the formulas that stand for what the user passed in `functions`."""
    constants = [c for c in used_columns(model.formula).columns if c not in model.data.columns]
    used = (*used_functions(model.formula), *constants)
    return [name for name in dict.fromkeys(used) if name in model.functions]


def _asked(
    saved: SavedFit, where: str, functions: Mapping[str, Callable[..., Any]] | None
) -> Mapping[str, Callable[..., Any]] | None:
    """Of the functions given those that the fit had, all of them; other names are built in."""
    if "functions" not in saved.extra:  # written before the names were kept
        return functions
    own, given = saved.extra["functions"], functions or {}
    lacking = [name for name in own if name not in given]
    if lacking:
        pieces = ", ".join(f'"{name}": ...' for name in lacking)
        raise FileError(
            f"{where} was fitted with {len(own)} function(s) of your own, and {', '.join(lacking)} "
            f"of them {'is' if len(lacking) == 1 else 'are'} not given: a file holds no code; load "
            f"it with functions={{{pieces}}}"
        )
    return {name: given[name] for name in own}


def _at_means(model: Model) -> list[str]:
    """Parameters whose intercept has its prior at the predictors' means."""
    priors = model.spec.priors
    return [p.parameter for p in (priors.mu, *priors.others.values()) if p.intercept_at_means]


def _versions() -> dict[str, str]:
    return {p: version(p) for p in PACKAGES}


def _plain(chosen: Chosen) -> dict[str, Any]:
    groups = {g: type(f).__name__ for g, f in chosen.groups.items()}
    return {
        "groups": groups,
        "marginal": chosen.marginal,
        "reason": chosen.reason,
        "max_dense": chosen.max_dense,
        "joint": chosen.joint,
    }


def _chosen(plain: Mapping[str, Any]) -> Chosen:
    groups = {g: FORMULATIONS[name]() for g, name in plain["groups"].items()}
    return Chosen(groups, plain["marginal"], plain["reason"], plain["max_dense"], plain["joint"])


def _restore(
    saved: SavedFit, where: str, functions: Mapping[str, Callable[..., Any]] | None
) -> Fit:
    from mixedbayes.api.fit import Fit
    from mixedbayes.api.model import Model

    try:
        formulas = [saved.formula, *saved.extra.get("others", ())]
        parse_all(formulas)
        saved.data.attrs["units"] = saved.extra["units"]
        model = Model(
            formulas,
            saved.data,
            family=family_from_names(saved.family, saved.link),
            priors=codec.decode(saved.priors),
            functions=_asked(saved, where, functions),
        )
    except FormulaError as e:
        raise FileError(
            f"the formula in {where} could not be read; if it uses functions of your own, give "
            f"them with functions={{...}}:\n{e}"
        ) from e
    if "intercept_at_means" in saved.extra:
        priors = model.spec.priors.at_means(saved.extra["intercept_at_means"])
        model.spec = replace(model.spec, priors=priors)
    check_labels(model.spec, saved.idata)
    chosen = _chosen(saved.extra["formulation"])
    return Fit(model, saved.idata, Settings(**saved.settings), chosen, saved.extra["note"])
