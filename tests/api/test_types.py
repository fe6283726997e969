"""What type checkers are told of tables and draws is what the methods return."""

import inspect
from typing import Literal, get_args, get_overloads, get_type_hints

import numpy as np
import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.api.average import Average
from mixedbayes.predict.conditioned import Conditioned

OWNERS = (mb.Fit, Average, Conditioned)
TABLES = {
    f"{owner.__name__}.{name}": inspect.unwrap(f)
    for owner in OWNERS
    for name in dir(owner)
    if not name.startswith("_")
    and inspect.isfunction(f := getattr(owner, name))
    and "draws" in inspect.signature(f).parameters
}
SETTINGS = {"progress": False, "seed": 1, "draws": 200, "tune": 200, "chains": 2}


def told(function, **asked):
    """The type that the first overload which takes these literals says is returned."""
    for overload in get_overloads(function):
        hints, parameters = get_type_hints(overload), inspect.signature(overload).parameters
        given = {"draws": False} | asked
        if all(
            value in get_args(hints[name]) or hints[name] is bool for name, value in given.items()
        ) and all(
            name in given or p.default is not p.empty or p.kind is p.VAR_POSITIONAL
            for name, p in list(parameters.items())[1:] if name not in ("texts", "new")
        ):  # fmt: skip
            return hints["return"]
    raise LookupError(asked)


@pytest.mark.parametrize("name", TABLES)
def test_overloads_take_what_the_method_takes(name):
    own = inspect.signature(TABLES[name]).parameters
    overloads = [inspect.signature(f).parameters for f in get_overloads(TABLES[name])]
    assert len(overloads) >= 3
    for of_type_checkers in overloads:
        assert list(of_type_checkers) == list(own)
        for (parameter, said), p in zip(of_type_checkers.items(), own.values(), strict=True):
            assert said.kind == p.kind
            if parameter != "draws" and said.annotation != "Literal[True]":
                assert said.default == p.default, parameter
    assert get_type_hints(get_overloads(TABLES[name])[0])["draws"] == Literal[False]
    asked = {"draws": True} | ({"exponentiate": False} if name == "Fit.varcorr" else {})
    drawn = told(TABLES[name], **asked)
    either = get_type_hints(get_overloads(TABLES[name])[-1])["return"]
    assert {pd.DataFrame, drawn} <= set(get_args(either))
    assert get_type_hints(TABLES[name])["return"] == either


@pytest.fixture(scope="module")
def fits():
    """Of three models, and the frame that the first two are of."""
    sleep = mb.load_data("sleepstudy").assign(slow=lambda d: (d["Reaction"] > 300).astype(int))
    sleep.loc[3, "Reaction"] = np.nan
    return (
        mb.fit("Reaction | mi() ~ Days + (Days | Subject)", sleep, **SETTINGS),
        mb.fit("slow ~ Days + (1 | Subject)", sleep, family="bernoulli", **SETTINGS),
        mb.fit("gpa ~ s(occasion, k=5) + (1 | student)", mb.load_data("gpa"), **SETTINGS),
        sleep,
    )


def asked_of(name, fits):
    gaussian, _, curve, sleep = fits
    owner, _, method = name.partition(".")
    if owner == "Average":
        return mb.average({"a": gaussian, "b": gaussian}, {"a": 0.5, "b": 0.5}), ()
    if owner == "Conditioned":
        seen = sleep.head(1).assign(Subject="new")
        return gaussian.condition_on(seen), (seen,) if method == "predict" else ()
    if method in ("smooths", "edf"):
        return curve, ()
    return gaussian, ("Days > 0",) if method == "hypothesis" else ()


def is_of(found, type_):
    return isinstance(found, dict) if "dict" in str(type_) else isinstance(found, type_)


@pytest.mark.parametrize("name", TABLES)
def test_what_is_returned_is_of_the_type_told(name, fits):
    of, given = asked_of(name, fits)
    call = getattr(of, name.partition(".")[2])
    assert is_of(call(*given), told(TABLES[name]))
    if name == "Fit.varcorr":
        assert is_of(call(draws=True), told(TABLES[name], draws=True, exponentiate=False))
    else:
        assert is_of(call(*given, draws=True), told(TABLES[name], draws=True))


def test_ratios_and_pooling_factors_are_of_the_types_told(fits):
    gaussian, binary, *_ = fits
    for name in ("fixef", "varcorr"):
        asked = {"draws": True, "exponentiate": True}
        of = TABLES[f"Fit.{name}"]
        assert is_of(getattr(binary, name)(**asked), told(of, **asked))
        assert is_of(getattr(binary, name)(exponentiate=True), told(of, exponentiate=True))
    only = told(TABLES["Fit.shrinkage"], draws="pooling")
    assert is_of(gaussian.shrinkage(draws="pooling"), only)
