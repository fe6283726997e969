"""Families by name, for the public edge where a string is accepted."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.bernoulli import Bernoulli
from mixedbayes.families.beta import Beta
from mixedbayes.families.binomial import Binomial
from mixedbayes.families.cumulative import Cumulative
from mixedbayes.families.gamma import GammaFamily
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.lognormal import Lognormal
from mixedbayes.families.negative_binomial import NegativeBinomial
from mixedbayes.families.poisson import Poisson
from mixedbayes.families.student_t import StudentTFamily
from mixedbayes.priors.distributions import Prior

FAMILIES: dict[str, type[Family]] = {
    kind.name: kind
    for kind in (
        Gaussian,
        StudentTFamily,
        Lognormal,
        GammaFamily,
        Beta,
        Bernoulli,
        Binomial,
        Poisson,
        NegativeBinomial,
        Cumulative,
    )
}


def as_family(family: str | Family | type[Family]) -> Family:
    """A family object from its name, its class or itself; ModelError lists the valid names."""
    if isinstance(family, Family):
        return family
    if isinstance(family, type) and issubclass(family, Family):
        return family()
    if isinstance(family, str) and family.lower() in FAMILIES:
        return FAMILIES[family.lower()]()
    near = difflib.get_close_matches(_spelling(family), FAMILIES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    if isinstance(family, Prior) or (isinstance(family, type) and issubclass(family, Prior)):
        hint = f" That is a prior.{hint}"
    raise ModelError(f"family={family!r} is not known: use one of {', '.join(FAMILIES)}.{hint}")


def family_from_names(name: str, link: str) -> Family:
    """A family object from its name and its link's, as files keep them."""
    family = as_family(name)
    links = {kind.name: kind for kind in family.links}
    if link not in links:
        raise ModelError(f"link={link!r}: the {name} family has the links {', '.join(links)}")
    return replace(family, link=links[link]())


def _spelling(family: Any) -> str:
    """The name in small letters; a class's own name for classes and objects."""
    if isinstance(family, str):
        return family.lower().replace("-", "_").replace(" ", "_")
    return (family if isinstance(family, type) else type(family)).__name__.lower()
