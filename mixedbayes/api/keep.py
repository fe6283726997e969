"""What a file says of a fit: written from its posterior, and read back, without the model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mixedbayes.design import known_of, own_names, table
from mixedbayes.design.table import LIBRARIES, PANDAS
from mixedbayes.design.types import Design
from mixedbayes.engines import registry
from mixedbayes.engines.base import Chosen, factors
from mixedbayes.engines.choose import Request
from mixedbayes.engines.run import Run
from mixedbayes.errors import FileError, FormulaError, SamplingError
from mixedbayes.families.base import Family
from mixedbayes.families.chosen import named
from mixedbayes.families.registry import family_from_names, written
from mixedbayes.formula import parse_all, with_residual
from mixedbayes.model.coords import check_labels
from mixedbayes.model.formulations import Formulation
from mixedbayes.model.spec import Spec
from mixedbayes.priors import codec
from mixedbayes.results import cache, standing
from mixedbayes.results.files import Each, check
from mixedbayes.results.match import check_fingerprint, check_match, fingerprint
from mixedbayes.results.posterior import Posterior
from mixedbayes.results.store import SavedFit
from mixedbayes.sample.settings import Settings
from mixedbayes.sample.tree import without_derived

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
    "effects": str,
}
FAMILY = {
    "name": str, "link": str, "fixed": Each((float, str)), "links": Each(str),
}  # fmt: skip
OWN = {"links": Each(str), "log_density": [float]}
FORMULATION = Each((str, bool, float, None))  # its `name` and its own fields
CHOSEN = {"engine": str, "groups": Each(FORMULATION), "reason": str}
EXTRA = {
    "formulation": CHOSEN,  # of the fit
    "asked": {  # of its model: another formulation where fit() was given one
        "formulation": (str, {"groups": Each(FORMULATION)}, FORMULATION),
        "missing": str,
    },
    "note": str,
    "functions": [str],  # the user's own, by name
    "columns?": Each([float]),  # where there are such: what the formula computed with them
    "others": [str],  # formulas of further parameters
    "residual?": str,  # how residuals are correlated
    "intercept_at_means": [str],
    "units": Each(str),
    "library?": str,  # of the data frame, where it is not pandas
    "standing?": standing.KIND,  # for what the rows stand, where data were read in batches
    "fixed?": Each((float, str)),  # what of the family the user fixed
    "links?": Each(str),  # chosen ones of further parameters, by name
    "families?": Each(FAMILY),  # of several responses with different ones
    # of a family of the user's own, by which it is known again; of several responses by response
    "own?": OWN,
    "owns?": Each(OWN),
}
# Settings that do not change the draws, held at one value in the cache's keys.
NOT_ASKED = {"progress": True, "cores": None}
PACKAGES = ("mixedbayes", "pymc", "nutpie", "arviz", "numpy", "numba")

type Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class Asked:
    """What a model was asked for beside formula, data, family, priors and functions."""

    formulation: Request = "auto"
    missing: Literal["drop", "error"] = "drop"


# ---- written ------------------------------------------------------------------------------------


def saved(post: Posterior, asked: Asked) -> SavedFit:
    """A fit in plain types."""
    design, family, run = post.design, post.family, post.made
    own = list(own_names(design))
    data, stands = design.whole, {}
    if design.standing is not None:
        data, said = standing.encode(data, design.standing)
        stands = {"standing": said}
    return SavedFit(
        formula=design.formula.texts[0],
        family=family.name,
        link=family.link.name,
        priors=codec.encode(post.priors.given),
        data=data,
        idata=without_derived(post.idata),
        settings=asdict(run.settings),
        versions=_versions(),
        extra={
            "formulation": _chosen_to_plain(run.formulation),
            "asked": {"formulation": _to_plain(asked.formulation), "missing": asked.missing},
            "note": run.note,
            "functions": own,
            "others": list(design.formula.texts[1:]),
            "intercept_at_means": [
                p.parameter for p in post.priors.predictors if p.intercept_at_means
            ],
            "units": {str(name): str(unit) for name, unit in design.units.items()},
            **({"columns": fingerprint(design)} if own else {}),
            **stands,
            **(
                {} if (own_term := design.formula.residual) is None else {"residual": own_term.text}
            ),
            **({"library": design.library} if design.library != PANDAS else {}),
            **({"fixed": family.fixed} if family.fixed else {}),
            **({"links": named(family.links)} if family.links else {}),
            **({"own": family.fingerprint(design)} if family.own else {}),
            **(_of_responses(family, design) if family.by_response else {}),
        },
        known=known_of(design),
    )


def _of_responses(family: Family, design: Design) -> dict[str, Any]:
    """The family of each response, and by what those of the user's own are known again."""
    owns = family.fingerprint(design)
    return {"families": _families(family), **({"owns": owns} if owns else {})}


def _families(family: Family) -> dict[str, Any]:
    """The family of each of several responses, in plain types."""
    return {
        response: {
            "name": own.name, "link": own.link.name, "fixed": own.fixed, "links": named(own.links),
        }
        for response, own in family.by_response.items()
    }  # fmt: skip


def _family(saved: SavedFit) -> Any:
    """The family that a file says, by response where there are several."""
    said = saved.extra.get("families")
    if said is not None:
        given = saved.extra.get("owns", {})
        return {
            response: family_from_names(own["name"], own["link"], own["fixed"], own["links"])
            for response, own in said.items()
            if response not in given
        }
    return family_from_names(
        saved.family, saved.link, saved.extra.get("fixed"), saved.extra.get("links")
    )


def _versions() -> dict[str, str]:
    return {p: version(p) for p in PACKAGES}


def _to_plain(asked: Request) -> Any:
    if isinstance(asked, Formulation):
        return {"name": type(asked).__name__, **asdict(asked)}
    if isinstance(asked, Mapping):
        return {"groups": {g: _to_plain(f) for g, f in asked.items()}}
    return asked


def _chosen_to_plain(chosen: Chosen) -> dict[str, Any]:
    return {"engine": chosen.engine.name, **_to_plain(chosen.groups), "reason": chosen.reason}


# ---- read ---------------------------------------------------------------------------------------


def checked(saved: SavedFit, where: str, functions: Functions | None) -> Functions:
    """Of the functions given those that the fit had; FileError unless the file is one of ours.

    Other names are built in.
    """
    with as_ours(where):
        check(saved.settings, SETTINGS, "settings")
        check(saved.extra, EXTRA, "extra")
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


@contextmanager
def as_ours(where: str) -> Iterator[None]:
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


def own_family(saved: SavedFit, where: str, family: Any) -> Any:
    """The family of the user's own that a fit had, of several responses by response.

    None where it had another. FileError where it is not given, or another one is.
    """
    owns = saved.extra.get("owns")
    if owns is not None:
        given = family if isinstance(family, Mapping) else {}
        return {
            response: _given(
                said, saved.extra["families"][response]["name"], where, given.get(response),
                f"{{{response!r}: mb.custom({saved.extra['families'][response]['name']!r}, ...)}}",
            )
            for response, said in owns.items()
        }  # fmt: skip
    said = saved.extra.get("own")
    if family is not None and not isinstance(family, Family):
        raise FileError(f"family={family!r} is no family; give what mb.custom made, or nothing")
    if said is None:
        if family is not None and family.name != saved.family:
            raise FileError(
                f"{where} was fitted with the {saved.family} family, not {family.name}: load it "
                "without family="
            )
        return None
    return _given(said, saved.family, where, family, f"mb.custom({saved.family!r}, ...)")


def _given(said: Any, name: str, where: str, family: Any, how: str) -> Family:
    """A family of the user's own as it was given; FileError where it is not."""
    links = ", ".join(f"{parameter}: {link}" for parameter, link in said["links"].items())
    wanted = f"a family of your own, {name!r} ({links})"
    if family is None:
        raise FileError(
            f"{where} was fitted with {wanted}, which is not given: a file holds no code; load it "
            f"in Python with family={how}"
        )
    if not isinstance(family, Family):
        raise FileError(f"family={family!r} is no family; give what mb.custom made")
    given = family.link_names
    if not family.own or family.name != name or list(given.items()) != [*said["links"].items()]:
        shown = ", ".join(f"{parameter}: {link}" for parameter, link in given.items())
        raise FileError(f"{where} was fitted with {wanted}; {family.name!r} ({shown}) is given")
    return family


def check_own(saved: SavedFit, where: str, spec: Spec) -> None:
    """FileError where a family of the user's own has another density than that of the fit."""
    owns = saved.extra.get("owns")
    if owns is not None:
        found = spec.family.fingerprint(spec.design)
        for response, said in owns.items():
            name = saved.extra["families"][response]["name"]
            _check_density(name, where, said, found[response])
        return
    said = saved.extra.get("own")
    if said is not None:
        _check_density(saved.family, where, said, spec.family.fingerprint(spec.design))


def _check_density(name: str, where: str, said: Any, found: Any) -> None:
    now, before = found["log_density"], said["log_density"]
    if len(now) != len(before) or not np.allclose(now, before, rtol=1e-8, atol=1e-8):
        at = next((k for k, (a, b) in enumerate(zip(now, before, strict=False)) if a != b), 0)
        raise FileError(
            f"{where} was fitted with another density of {name!r}: of some rows log p was "
            f"{before[at]:.8g}, and is {now[at]:.8g} by the one given"
        )


def arguments(saved: SavedFit, family: Any = None) -> dict[str, Any]:
    """Of `Model`, for the model that was fitted; its functions aside.

    `family` is the one of the user's own, if it had such; of several responses by response.
    """
    if isinstance(family, Mapping):
        family = {**_family(saved), **family}
    formulas = [saved.formula, *saved.extra["others"]]
    with_residual(parse_all(formulas), saved.extra.get("residual"))
    saved.data.attrs["units"] = saved.extra["units"]
    asked = saved.extra["asked"]
    data, stands = saved.data, None
    if "standing" in saved.extra:
        data, stands = standing.decode(data, saved.extra["standing"])
    whole = replace(table(data, data.columns), library=_library(saved), standing=stands)
    return {
        "formula": formulas,
        "data": whole,
        "family": family or _family(saved),
        "residual": saved.extra.get("residual"),
        "priors": codec.decode(saved.priors),
        "formulation": _from_plain(asked["formulation"]),
        "missing": asked["missing"],
        "known": dict(saved.known),
    }


def _library(saved: SavedFit) -> str:
    said = saved.extra.get("library", PANDAS)
    if said not in LIBRARIES:
        raise FileError(f"its tables are of {said}, a library that is not known")
    return str(said)


def _from_plain(said: Any) -> Request:
    if isinstance(said, str):
        return said
    if "groups" in said:
        return {g: _formulation(**f) for g, f in said["groups"].items()}
    return _formulation(**said)


def _formulation(name: str, **arguments: Any) -> Formulation:
    for engine in registry.ENGINES:
        for kind in engine.formulations:
            if kind.__name__ == name:
                return kind(**arguments)
    raise FileError(f"its formulation {name!r} is unknown")


def drawn(saved: SavedFit, spec: Spec) -> Posterior:
    """The posterior of a model that a file holds; FileError if it is another model's."""
    check_match(spec, saved.idata)
    check_labels(spec, saved.idata)
    if "columns" in saved.extra:
        check_fingerprint(saved.extra["columns"], spec.design)
    chosen = _chosen(saved.extra["formulation"], spec)
    return Posterior(
        spec, saved.idata, Run(Settings(**saved.settings), chosen, saved.extra["note"])
    )


def _chosen(plain: Mapping[str, Any], spec: Spec) -> Chosen:
    """The formulation that was written; FileError if this model cannot have it."""
    engine = next((e for e in registry.ENGINES if e.name == plain["engine"]), None)
    if engine is None:
        raise FileError(f"its engine {plain['engine']!r} is unknown")
    groups = {g: _formulation(**said) for g, said in plain["groups"].items()}
    chosen = Chosen(engine, groups, plain["reason"])
    if set(groups) != set(factors(spec)):
        raise FileError(f"its formulation is of other grouping factors: {', '.join(groups)}")
    strange = [str(f) for f in groups.values() if not isinstance(f, engine.formulations)]
    if strange:
        raise FileError(f"its formulation {strange[0]} is unknown to the engine {engine.name!r}")
    obstacle = engine.obstacle(spec)
    if obstacle:
        raise FileError(f"its formulation, {chosen}, is not possible: {obstacle}")
    return chosen


# ---- cache --------------------------------------------------------------------------------------


def key(spec: Spec, settings: Settings, chosen: Chosen) -> str:
    """What draws of this model with these settings are kept under in a cache."""
    if settings.seed is None:
        raise SamplingError(
            "cache= needs a seed, so that the fit kept is the one you would get: add seed=1"
        )
    design, family = spec.design, spec.family
    if design.standing is not None:
        raise SamplingError(
            "cache= does not know data that are read in batches; keep the fit with save()"
        )
    if own := own_names(design):
        raise SamplingError(
            f"cache= cannot tell whether your functions ({', '.join(own)}) have "
            "changed; put their result into a column, or fit without cache="
        )
    if family.own:
        raise SamplingError(
            f"cache= cannot tell whether the functions of your own family {family.name!r} have "
            "changed; fit without cache=, and keep the fit with save()"
        )
    asked = asdict(settings) | NOT_ASKED | {"formulation": _chosen_to_plain(chosen)}
    return cache.key(
        design.formula,
        design.whole,
        family=written(family),
        priors=codec.encode(spec.priors.given),
        seed=settings.seed,
        settings=asked | ({"priors of": spec.priors.of} if spec.priors.of else {}),
        versions=_versions(),
        known=known_of(design),
    )


def lookup(folder: str | Path, key: str, spec: Spec) -> Posterior | None:
    """The posterior of this model under a key of a cache, or None."""
    found = cache.lookup(folder, key)
    if found is None:
        cache.prepare(folder)  # refused before anything is sampled
        return None
    with as_ours(str(folder)):
        return drawn(found, spec)


def remember(folder: str | Path, key: str, post: Posterior, asked: Asked) -> Posterior:
    """Keep a posterior in a cache.

    Where it cannot be kept, as on a full disk, the posterior that is returned has a note that says
    so, and there is a warning: its draws are worth more than the file.
    """
    try:
        cache.keep(folder, key, saved(post, asked))
    except FileError as e:
        said = f"The fit is not in the cache: {e}"
        warnings.warn(said, UserWarning, stacklevel=4)
        note = f"{post.made.note} {said}".strip()
        return replace(post, run=replace(post.made, note=note))
    return post
