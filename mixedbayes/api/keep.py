"""Saving fits, loading them, and reading them from a cache instead of sampling again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixedbayes.design import used_columns, used_functions
from mixedbayes.engines import registry
from mixedbayes.engines.base import Chosen, Engine, factors
from mixedbayes.errors import FileError, FormulaError, SamplingError
from mixedbayes.families.registry import family_from_names
from mixedbayes.formula import parse_all
from mixedbayes.model.coords import check_labels
from mixedbayes.model.formulations import Formulation
from mixedbayes.model.spec import Spec
from mixedbayes.priors import codec
from mixedbayes.results import cache, store
from mixedbayes.results.files import Each, check
from mixedbayes.results.match import check_fingerprint, check_match, fingerprint
from mixedbayes.results.store import SavedFit
from mixedbayes.sample.settings import Settings
from mixedbayes.sample.tree import without_derived

if TYPE_CHECKING:
    from mixedbayes.api.fit import Fit
    from mixedbayes.api.model import Model

# What a file says of settings and formulation, and what else it holds; see `results.files`.
SETTINGS = {
    "draws": int,
    "tune": (int, None),
    "chains": int,
    "cores": (int, None),
    "seed": (int, None),
    "sampler": str,
    "target_accept": (float, None),
    "max_treedepth": int,
    "progress": bool,
}
CHOSEN = {
    "engine": str,
    "groups": Each(Each((str, bool, float, None))),  # formulations: `name` and their own fields
    "reason": str,
}
EXTRA = {
    "formulation": CHOSEN,  # of the fit
    "model_formulation": CHOSEN,  # of its model: another where fit() was given one
    "note": str,
    "functions": [str],  # the user's own, by name
    "columns?": Each([float]),  # where there are such: what the formula computed with them
    "others": [str],  # formulas of further parameters
    "intercept_at_means": [str],
    "units": Each(str),
}
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
        formula uses functions that were not given, or with those given computes other values
        than in the fit.
    """
    return _restore(store.read(path), str(path), functions)


def lookup(
    folder: str | Path, model: Model, settings: Settings, chosen: Chosen, effects: str
) -> Fit | None:
    """The fit with this model and these settings from a cache, or None."""
    found = cache.lookup(folder, _key(model, settings, chosen, effects))
    if found is None:
        cache.prepare(folder)  # refused before anything is sampled
        return None
    with _as_ours(str(folder)):
        return _fit(found, model)


def remember(folder: str | Path, fit: Fit, settings: Settings, effects: str) -> None:
    """Keep a fit in a cache, under the settings it was asked for.

    Where it cannot be kept, as on a full disk, the fit has a note that says so, and there is a
    warning: its draws are worth more than the file.
    """
    try:
        cache.keep(folder, _key(fit.model, settings, fit.formulation, effects), _saved(fit))
    except FileError as e:
        said = f"The fit is not in the cache: {e}"
        fit.note = f"{fit.note} {said}".strip()
        warnings.warn(said, UserWarning, stacklevel=4)


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
    own = _own_functions(model)
    return SavedFit(
        formula=model.formula.text,
        family=model.family.name,
        link=model.family.link.name,
        priors=codec.encode(model.user_priors),
        data=model.data,
        idata=without_derived(fit.idata),
        settings=asdict(fit.settings),
        versions=_versions(),
        extra={
            "formulation": _plain(fit.formulation),
            "model_formulation": _plain(model.formulation),
            "note": fit.note,
            "functions": own,
            "others": [other.text for other in model.formula.others],
            "intercept_at_means": _at_means(model),
            "units": {str(name): str(unit) for name, unit in fit.units.items()},
            **({"columns": fingerprint(model.spec.design)} if own else {}),
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
    return [p.parameter for p in priors.predictors if p.intercept_at_means]


def _versions() -> dict[str, str]:
    return {p: version(p) for p in PACKAGES}


def _plain(chosen: Chosen) -> dict[str, Any]:
    groups = {g: {"name": type(f).__name__, **asdict(f)} for g, f in chosen.groups.items()}
    return {"engine": chosen.engine.name, "groups": groups, "reason": chosen.reason}


def _chosen(plain: Mapping[str, Any], spec: Spec) -> Chosen:
    """The formulation that was written; FileError if this model cannot have it."""
    engine = next((e for e in registry.ENGINES if e.name == plain["engine"]), None)
    if engine is None:
        raise FileError(f"its engine {plain['engine']!r} is unknown")
    groups = {g: _formulation(engine, **said) for g, said in plain["groups"].items()}
    chosen = Chosen(engine, groups, plain["reason"])
    if set(groups) != set(factors(spec)):
        raise FileError(f"its formulation is of other grouping factors: {', '.join(groups)}")
    obstacle = engine.obstacle(spec)
    if obstacle:
        raise FileError(f"its formulation, {chosen}, is not possible: {obstacle}")
    return chosen


def _formulation(engine: Engine, name: str, **arguments: Any) -> Formulation:
    kind = next((kind for kind in engine.formulations if kind.__name__ == name), None)
    if kind is None:
        raise FileError(f"its formulation {name!r} is unknown to the engine {engine.name!r}")
    return kind(**arguments)


def _restore(
    saved: SavedFit, where: str, functions: Mapping[str, Callable[..., Any]] | None
) -> Fit:
    with _as_ours(where):
        check(saved.settings, SETTINGS, "settings")
        check(saved.extra, EXTRA, "extra")
    own = _asked(saved, where, functions)
    with _as_ours(where):
        return _fit(saved, _model(saved, own))


@contextmanager
def _as_ours(where: str) -> Iterator[None]:
    """What the rest of the package says of a fit that it never made, as FileError."""
    try:
        yield
    except FormulaError as e:
        raise FileError(
            f"the formula in {where} could not be read; if it uses functions of your own, give "
            f"them with functions={{...}}:\n{e}"
        ) from e
    except Exception as e:
        raise FileError(
            f"{where} does not hold a fit that can be made again ({e}); restore a copy or fit again"
        ) from e


def _model(saved: SavedFit, functions: Mapping[str, Callable[..., Any]] | None) -> Model:
    from mixedbayes.api.model import Model

    formulas = [saved.formula, *saved.extra["others"]]
    parse_all(formulas)
    saved.data.attrs["units"] = saved.extra["units"]
    model = Model(
        formulas,
        saved.data,
        family=family_from_names(saved.family, saved.link),
        priors=codec.decode(saved.priors),
        functions=functions,
    )
    priors = model.spec.priors.at_means(saved.extra["intercept_at_means"])
    model.spec = replace(model.spec, priors=priors)
    model.formulation = _chosen(saved.extra["model_formulation"], model.spec)
    return model


def _fit(saved: SavedFit, model: Model) -> Fit:
    from mixedbayes.api.fit import Fit

    check_match(model.spec, saved.idata)
    check_labels(model.spec, saved.idata)
    if "columns" in saved.extra:
        check_fingerprint(saved.extra["columns"], model.spec.design)
    chosen = _chosen(saved.extra["formulation"], model.spec)
    return Fit(model, saved.idata, Settings(**saved.settings), chosen, saved.extra["note"])
