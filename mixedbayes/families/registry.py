"""Families by name, for the public edge where a string is accepted."""

from __future__ import annotations

import difflib
from dataclasses import replace

from mixedbayes.errors import ModelError
from mixedbayes.families.base import Family
from mixedbayes.families.gaussian import Gaussian
from mixedbayes.families.links import Link

FAMILIES: dict[str, type[Family]] = {Gaussian.name: Gaussian}


def as_family(family: str | Family | type[Family]) -> Family:
    """A family object from its name, its class or itself; ModelError lists the valid names."""
    if isinstance(family, Family):
        return family
    if isinstance(family, type) and issubclass(family, Family):
        return family()
    if isinstance(family, str) and family.lower() in FAMILIES:
        return FAMILIES[family.lower()]()
    near = difflib.get_close_matches(str(family).lower(), FAMILIES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ModelError(f"family={family!r} is not known: use one of {', '.join(FAMILIES)}.{hint}")


def family_from_names(name: str, link: str) -> Family:
    """A family object from its name and its link's, as files keep them."""
    links = {cls.name: cls for cls in Link.__subclasses__()}
    family = as_family(name)
    if link not in links:
        raise ModelError(f"link={link!r} is not known: use one of {', '.join(links)}")
    return replace(family, link=links[link]())
