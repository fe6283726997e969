"""The methods of Model and Fit: made of the stages' functions, and fully described."""

import builtins
import inspect
import pydoc
import re
from types import SimpleNamespace

import pandas as pd
import pytest

import mixedbayes as mb
from mixedbayes.api.accessors import Accessors
from mixedbayes.api.method import Later, lazily, method, without
from mixedbayes.results.text import Table


def functions(owner):
    return {
        name: f
        for name in dir(owner)
        if not name.startswith("_") and inspect.isfunction(f := getattr(owner, name))
    }


METHODS = {
    f"{owner.__name__}.{name}": f
    for owner in (mb.Fit, mb.Model)
    for name, f in functions(owner).items()
}
OF_STAGES = [name for name, f in METHODS.items() if hasattr(f, "__wrapped__")]


def sections(doc):
    """A docstring's sections by their titles."""
    parts = re.split(r"(?m)^(\w+)\n-+\n", doc)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_fully_described(name):
    function = METHODS[name]
    found = sections(inspect.getdoc(function))
    entries = re.findall(r"(?m)^(\S.*)$", found.get("Parameters", ""))
    described = [each.strip() for line in entries for each in line.split(",")]
    assert {*described, "self"} == {*inspect.signature(function).parameters}
    assert "Returns" in found
    assert "Raises" in found or name == "Fit.diagnostics"
    assert {"Examples", "References"} & set(found)


@pytest.mark.parametrize("name", OF_STAGES)
def test_a_method_takes_what_its_stage_takes(name):
    function = METHODS[name]
    first, *taken = inspect.signature(function.__wrapped__).parameters.values()
    assert first.name in ("post", "spec", "of")
    assert list(inspect.signature(function).parameters.values())[1:] == taken
    assert function.__name__ == name.split(".")[1]


def test_all_but_a_few_methods_are_of_stages():
    assert {n for n in METHODS if n not in OF_STAGES} == {
        "Fit.save", "Model.build", "Model.fit", "Model.graph", "Model.with_data",
    }  # fmt: skip
    assert all(not isinstance(f, Later) for f in vars(Accessors).values())


def test_help_shows_the_stages_words_without_the_posterior():
    text = pydoc.plain(pydoc.render_doc(mb.Fit.ranef))
    assert "Group effects: deviations from the population" in text
    assert "One grouping factor; all by default." in text
    assert "post" not in text.split("Parameters")[1].split("prob")[0]
    whole = pydoc.plain(pydoc.render_doc(mb.Fit))
    assert "Standard deviations and correlations of the group effects" in whole


def test_a_method_of_its_own_has():
    calls = []

    def rows(post, n: int = 2, *, other: str = "a") -> pd.DataFrame:
        """Some rows.

        Parameters
        ----------
        post
            The posterior.
            On two lines.
        n
            How many.
        """
        return pd.DataFrame({"x": [post.x] * n})

    class Has:
        posterior = SimpleNamespace(x=7, design=SimpleNamespace(library="pandas"))
        many = method(rows, before=calls.append, rows=False)
        plain = method(rows, table=False, rows=False)

    assert list(inspect.signature(Has.many).parameters) == ["self", "n", "other"]
    assert Has.many.__doc__ == "Some rows.\n\nParameters\n----------\nn\n    How many."
    found = Has().many(3)
    assert isinstance(found, Table)
    assert found["x"].tolist() == [7, 7, 7]
    assert calls == [Has.posterior]
    assert type(Has().plain()) is pd.DataFrame
    assert Has().many.__name__ == "many"
    with pytest.raises(TypeError, match=r"Has.many\(\) got an .* argument 'm'; it takes n, other"):
        Has().many(m=1)
    with pytest.raises(TypeError, match=r"'others'; did you mean 'other'\?"):
        Has().many(1, others=1)
    with pytest.raises(TypeError, match=r"Has.many\(\): too many positional arguments"):
        Has().many(1, 2)
    Has.posterior.design.library = "polars"
    assert Has().many(2).to_dict(as_series=False) == {"x": [7, 7]}
    assert type(Has().plain()) is pd.DataFrame


def test_an_empty_list_of_parameters_is_left_out():
    doc = "One.\n\nParameters\n----------\npost\n    The posterior.\n\nReturns\n-------\nTwo"
    assert without("post", doc) == "One.\n\nReturns\n-------\nTwo"
    assert without("post", doc.split("\n\nReturns")[0]).strip() == "One."


def test_only_imports_in_the_body_of_this_module_wait():
    before = builtins.__import__
    with lazily(globals()):
        from json import dumps

        assert isinstance(dumps, Later)
        exec("from json import loads", space := {})
        assert space["loads"]("1") == 1
    assert builtins.__import__ is before
    assert dumps([1]) == "[1]"
