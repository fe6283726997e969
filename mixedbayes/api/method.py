"""A stage's function as a method: its signature and its docstring exist once, in the stage."""

from __future__ import annotations

import builtins
import difflib
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from threading import RLock
from types import SimpleNamespace
from typing import Any, Concatenate, Literal, overload

import pandas as pd

from mixedbayes.errors import MixedBayesError, ModelError
from mixedbayes.interrupts import load
from mixedbayes.results.library import answer
from mixedbayes.results.several import each, one_below_the_other
from mixedbayes.results.text import as_table

type Several = Literal["all", "each", "one"]

_ONE_AT_A_TIME = RLock()


@contextmanager
def lazily(module: dict[str, Any]) -> Iterator[None]:
    """Imports in the body, of names from modules, load these modules when a name is first used.

    So that a fit does not wait for pictures and reports that nobody asks for. For type checkers
    they are imports like any other. `module` is the `globals()` of who imports.
    """
    with _ONE_AT_A_TIME:
        real = builtins.__import__

        def later(
            name: str,
            globals: Any = None,
            locals: Any = None,
            fromlist: Any = (),
            level: int = 0,
        ) -> Any:
            if globals is not module:
                return real(name, globals, locals, fromlist, level)
            return SimpleNamespace(**{each: Later(name, each) for each in fromlist})

        builtins.__import__ = later
        try:
            yield
        finally:
            builtins.__import__ = real


@dataclass(frozen=True)
class Later:
    """A function that is imported when it is called."""

    module: str
    name: str

    def load(self) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(load(self.module), self.name)
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.load()(*args, **kwargs)


@overload
def method[S, **P, T](
    stage: Callable[Concatenate[S, P], Any], *, into: type[T], of: str = ..., rows: bool = ...
) -> Callable[Concatenate[Any, P], T]: ...


@overload
def method[S, **P, R](
    stage: Callable[Concatenate[S, P], R], *, of: str = ..., table: bool = ...,
    like: str | None = ..., several: Several = ..., whole: bool = ..., rows: bool | str = ...,
) -> Callable[Concatenate[Any, P], R]: ...  # fmt: skip


def method(
    stage: Any,
    *,
    of: str = "posterior",
    before: Any = None,
    table: bool = True,
    like: str | None = None,
    into: Any = None,
    several: Several = "one",
    whole: bool = False,
    rows: bool | str = True,
) -> Any:
    """A function of a posterior as a method of what has one.

    Parameters
    ----------
    stage
        The function; what it is of is its first parameter.
    of
        Name of the attribute that is given for this parameter.
    before
        Called first, with the same.
    table
        Whether data frames are handed out in the library of the data; in pandas as `Table`.
    like
        Name of a parameter: a frame that is given for it is answered in its own library, which the
        function sees to.
    into
        A class whose `of` makes what the user is handed of what the function returns.
    several
        What is done of several responses, mv(a, b) ~ ...: "all", the function knows them; "each", a
        table of each, one below the other; "one", refused, as it is asked of one of them.
    whole
        Whether the function reads priors or densities of all rows, or fits again, which one of
        several responses by itself does not have.
    rows
        Whether the function reads single rows of the data, which are not there where sums of them
        are left; or the name of a parameter, where it does unless that is given.

    Returns
    -------
    A function with `self` in the place of that parameter, whose entry its docstring leaves out.
    """
    return _Method(stage, of, before, table, like, into, several, whole, rows)


def table_or_draws[F: Callable[..., Any]](stage: F, **how: Any) -> F:
    """A `method` that returns a table, or draws where these are asked for.

    Type checkers take the overloads of such a function as they are, which is why `Any` is the type
    of their first parameter: of a method it is what has the posterior.
    """
    made: Any = method(stage, **how)
    return made


class _Method:
    """Stands in a class until the method is first asked for, which then takes its place."""

    def __init__(
        self,
        stage: Any,
        of: str,
        before: Any,
        table: bool,
        like: str | None,
        into: Any,
        several: Several,
        whole: bool,
        rows: bool | str,
    ) -> None:
        self.stage, self.of, self.before, self.table, self.like = stage, of, before, table, like
        self.into, self.several, self.whole, self.rows = into, several, whole, rows

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: object, owner: type) -> Any:
        call = self.made()
        setattr(self.owner, self.name, call)
        return call.__get__(instance, owner)

    def made(self) -> Any:
        stage = self.stage.load() if isinstance(self.stage, Later) else self.stage
        before = self.before.load() if isinstance(self.before, Later) else self.before
        of, table, like, how = self.of, self.table, self.like, self.several
        whole, rows = self.whole or of != "posterior", self.rows
        into: Any = self.into.load() if isinstance(self.into, Later) else self.into
        own = inspect.signature(stage)

        @wraps(stage)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            subject = getattr(self, of)
            try:
                bound = own.bind(subject, *args, **kwargs)
            except TypeError as e:
                raise TypeError(_misused(type(self).__name__, call.__name__, own, e, kwargs)) from e
            design = getattr(subject, "design", None)
            if whole and getattr(design, "one_of", None):
                raise ModelError(_of_all(call.__name__, design))
            there = isinstance(rows, str) and bound.arguments.get(rows) is not None
            if design is not None and rows and not there:
                design.need_rows(f"{call.__name__}()")
            if getattr(design, "several", None) is None or how == "all":
                if before is not None:
                    before(subject)
                found = stage(subject, *args, **kwargs)
            elif how == "one" or bound.arguments.get("draws", False):
                raise ModelError(_of_one(call.__name__, design, whole=whole))
            else:
                found = _of_each(call.__name__, stage, before, subject, args, kwargs)
            if into is not None:
                return into.of(found)
            if not table or not isinstance(found, pd.DataFrame):
                return found
            given = bound.arguments.get(like) if like else None
            return answer(found, subject.design.library) if given is None else as_table(found)

        first, *others = own.parameters.values()
        whose = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        call.__name__, call.__qualname__ = self.name, f"{self.owner.__qualname__}.{self.name}"
        call.__doc__ = without(first.name, inspect.getdoc(stage) or "")
        call.__signature__ = own.replace(parameters=[whose, *others])  # type: ignore[attr-defined]
        return call


def _of_each(
    called: str, stage: Any, before: Any, subject: Any, args: Any, kwargs: Any
) -> pd.DataFrame:
    """A table of each of several responses, one below the other."""
    tables = {}
    for name, own in each(subject).items():
        try:
            if before is not None:
                before(own)
            tables[name] = stage(own, *args, **kwargs)
        except MixedBayesError as error:
            known = [other for other in subject.design.several.names if other != name]
            raise type(error)(
                f"{name}: {error}. Other responses by themselves: "
                f"fit.response({known[0]!r}).{called}(...)"
            ) from error
    return one_below_the_other(tables)


def _of_one(name: str, design: Any, *, whole: bool) -> str:
    """That something is asked of one of several responses, or of none of them."""
    known = design.several.names
    here = f"{name}() is of one response, and this model has {', '.join(known)}"
    if whole:
        return f"{here}: it is not offered for several"
    return f"{here}: ask of one of them, fit.response({known[0]!r}).{name}(...)"


def _of_all(name: str, design: Any) -> str:
    return (
        f"{name}() reads the priors or the densities of the whole model, or fits it again, and "
        f"{design.response} is one of the responses of {design.one_of}: ask it of the fit of all"
    )


def _misused(
    owner: str, name: str, own: inspect.Signature, error: TypeError, given: dict[str, Any]
) -> str:
    """What is wrong with the arguments of a method, with the names that it has."""
    names = [*own.parameters][1:]
    near = [
        found for k in given if k not in names for found in difflib.get_close_matches(k, names, 1)
    ]
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(names) or 'none'}"
    colon = "" if str(error).startswith("got") else ":"
    return f"{owner}.{name}(){colon} {error}; {hint}"


def without(parameter: str, doc: str) -> str:
    """A docstring without one parameter's entry, and without an empty list of parameters."""
    doc = re.sub(rf"(?m)^{parameter}\n(?:    .*\n?)+", "", doc, count=1)
    return re.sub(r"Parameters\n-+\n\n?(?=\w+\n-+\n|$)", "", doc)
