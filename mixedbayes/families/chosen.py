"""Links that a user chooses for further parameters that have formulas of their own.

Families say everything on the scale of the link that they declare; what a chosen link makes of it
is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from mixedbayes.design.types import Design, Floats
from mixedbayes.errors import ModelError
from mixedbayes.families.arrays import below_one
from mixedbayes.families.links import (
    Cloglog,
    Identity,
    Link,
    Log,
    Logit,
    Probit,
    ShareLink,
    Softplus,
)
from mixedbayes.families.parameter import Parameter
from mixedbayes.names import MU

type Links = tuple[tuple[str, Link], ...]  # of parameters by name, where it is not as declared

_INSTEAD: dict[type[Link], tuple[type[Link], ...]] = {
    Log: (Log, Softplus),
    Logit: (Logit, Probit, Cloglog),
}
_SMALL = -40.0  # here and below, softplus is exp to all digits


def taken(p: Parameter) -> tuple[type[Link], ...]:
    """Links that a parameter can have, the declared one first.

    An optional one has that alone: its predictor is 0 where the parameter is as without a formula.
    """
    own = type(p.link)
    return (own,) if p.optional else _INSTEAD.get(own, (own,))


def checked(family: str, declared: tuple[Parameter, ...], links: Any) -> Links:
    """What a user gave as ``links=``, in the family's order, without those that are as declared.

    Raises
    ------
    ModelError
        If it is no mapping, or names a parameter or a link that is not there.
    """
    able = {p.name: p for p in declared if p.formula}
    pairs = isinstance(links, tuple) and all(isinstance(x, tuple) and len(x) == 2 for x in links)
    if links is not None and not pairs and not isinstance(links, Mapping):
        some = next((p for p in able.values() if len(taken(p)) > 1), None)
        such = f", links={{{some.name!r}: mb.{taken(some)[1].__name__}()}}" if some else ""
        raise ModelError(
            f"links={links!r}: give links of the {family} family's further parameters by name, in "
            f"a dictionary{such}; that of the mean is link="
        )
    links = dict(links or ())
    if MU in links:
        raise ModelError(f'links={{"{MU}": ...}}: the link of the mean is given as link=')
    for name in links:
        if name not in able:
            has = f"these are {', '.join(able)}" if able else "it has none"
            raise ModelError(
                f"links={{{name!r}: ...}}: the {family} family has no further parameter {name!r} "
                f"that can have a formula of its own; {has}"
            )
    found = ((name, _link(family, p, links[name])) for name, p in able.items() if name in links)
    return tuple((name, link) for name, link in found if type(link) is not type(able[name].link))


def _link(family: str, p: Parameter, given: Any) -> Link:
    name = given if isinstance(given, str) else ""
    kind = given if isinstance(given, type) else type(given)
    for known in taken(p):
        if name == known.name or kind is known:
            return known()
    why = ""
    if not p.real and (name == Identity.name or kind is Identity):
        what = "positive" if isinstance(p.link, Log) else "between 0 and 1"
        why = f", which is {what}: with the identity link a predictor can be elsewhere"
    shown = " or ".join(f"mb.{known.__name__}()" for known in taken(p))
    raise ModelError(
        f"links={{{p.name!r}: {given!r}}} is no link of {p.name}{why}. In the {family} family "
        f"{p.name} takes {shown}"
    )


def words(links: Links) -> str:
    """In a description, after the mean's link: ", softplus link of sigma"."""
    return "".join(f", {link.name} link of {name}" for name, link in links)


def named(links: Links) -> dict[str, str]:
    """Names of the links, as files keep them."""
    return {name: link.name for name, link in links}


def moved(declared: Link, chosen: Link, centre: float, spread: float) -> tuple[float, float]:
    """A centre and spread on the declared link's scale on that of the chosen one.

    The parameter at the centre is the same, and so is, to first order, its spread there.
    """
    if type(chosen) is type(declared):
        return centre, spread
    at = float(chosen.link(declared.inverse(centre, np), np))
    found = rate(declared, chosen, np.asarray(at))
    return at, spread / float(np.asarray(found))


def rate(declared: Link, chosen: Link, eta: Floats) -> Floats | None:
    """d (declared link of the parameter) / d (chosen one), at values of that; None where it is 1.

    The declared one is the logit of shares and the logarithm of what is positive. Where a share
    rounds to 1 it is that of the last one below: what is said of such shares knows no more.
    """
    if type(chosen) is type(declared):
        return None
    if isinstance(chosen, ShareLink):
        return chosen.odds_slope(np.minimum(eta, chosen.link(below_one(np.ones(())), np)))
    at = np.maximum(eta, _SMALL)
    return np.asarray(chosen.slope(at, np) / chosen.inverse(at, np))


class Linked:
    """What follows for a family from the links of its further parameters."""

    declared: ClassVar[tuple[Parameter, ...]]
    link: Link
    links: Any

    def parameter_scale(self, name: str, design: Design) -> tuple[float, float]:
        """Centre and spread of a parameter's own predictor, on the scale of its declared link."""
        raise NotImplementedError

    def parameter_information_in(
        self, name: str, design: Design, eta: Floats, own: Mapping[str, Floats]
    ) -> Any:
        """(S, n) about a parameter, on its declared link's scale, in rows of size 1 of a design."""
        raise NotImplementedError

    def link_scale(self, name: str, design: Design) -> tuple[float, float]:
        """The same on the scale of the parameter's link."""
        declared, link = self.parameter(name).link, self.parameter_link(name)
        return moved(declared, link, *self.parameter_scale(name, design))

    def parameter_link(self, name: str) -> Link:
        """Link of a parameter that has a formula of its own: the one chosen, or as declared."""
        return dict(self.links).get(name, self.parameter(name).link)

    @property
    def link_names(self) -> dict[str, str]:
        """Names of all links by parameter, mu first."""
        own = {p.name: self.parameter_link(p.name).name for p in self.declared}
        return {MU: self.link.name, **own}

    def parameter(self, name: str) -> Parameter:
        """The declaration of a parameter."""
        return next(p for p in self.declared if p.name == name)

    def link_information(
        self, name: str, design: Design, predictor: Floats, eta: Floats, own: Mapping[str, Floats]
    ) -> Any:
        """(S, n) about the predictor (S, n) of a parameter, in rows of size 1 of a design."""
        found = self.parameter_information_in(name, design, eta, own)
        times = rate(self.parameter(name).link, self.parameter_link(name), predictor)
        return found if times is None else found * times**2
