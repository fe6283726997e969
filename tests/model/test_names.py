"""Every variable and dimension of a model has a name of its own, or nothing is sampled."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mixedbayes as mb
from mixedbayes.formula import parse
from mixedbayes.model.coords import check_labels, dims_of, model_coords, response_name

# a formula, and the name that two things of it would have
CLASHES = {
    "y ~ x + (x | course) + (1 | course_term)": "course_term",
    "y ~ x + (x | g) + (1 | g_term_bis)": "g_term_bis",
    "y ~ x + (1 | ranef_h) + (1 | h)": "ranef_h",
    "y ~ x + (1 | sd_h) + (1 | h)": "sd_h",
    "y ~ x + (1 | h) + (1 | cor_h)": "cor_h",
    "y ~ x + (1 | coef_h) + (1 | h)": "coef_h",
    "y ~ x + (1 | refs_h) + (1 | h)": "refs_h",
    "y ~ x + (1 | term) + (1 | term_level)": "term_level",
    "y ~ x + (1 | obs) + (1 | obs_level)": "obs_level",
    "y ~ x + (1 | Intercept_at_means)": "Intercept_at_means",
    "y ~ x + (1 | `a:b`) + (1 | a:b)": "a_b",
    "y ~ x + (1 | `a:b`:h) + (1 | a:b:h)": "a_b_h",
    "y ~ x + (1 | `a b`) + (1 | a_b)": "a_b",
}


def frame(formula):
    """A column for each name in the formula."""
    rng = np.random.default_rng(1)
    columns = parse(formula)
    names = {name for bar in columns.random for name in bar.factors}
    groups = {name: rng.integers(0, 5, 60).astype(str) for name in sorted(names)}
    return pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60), **groups})


@pytest.mark.parametrize(("formula", "name"), CLASHES.items())
def test_two_things_of_one_name_are_refused(formula, name):
    with pytest.raises(mb.DataError, match=f"would both be called '{name}'.*rename a column"):
        mb.Model(formula, frame(formula))


def test_parameters_of_a_family_count():
    data = frame("y ~ x + (1 | nu)").assign(threshold=lambda d: d.nu, r=[1, 2, 3] * 20)
    assert mb.Model("y ~ x + (1 | nu)", data).design.mu.groups[0].name == "nu"
    with pytest.raises(mb.DataError, match="would both be called 'nu'"):
        mb.Model("y ~ x + (1 | nu)", data, family="student_t")
    with pytest.raises(mb.DataError, match="would both be called 'threshold'"):
        mb.Model("r ~ x + (1 | threshold)", data, family="cumulative")


def test_terms_of_one_name_where_each_is_a_variable():
    """Only where priors are of several kinds: else they are elements of one vector."""
    data = frame("y ~ 1 + (1 | g)").assign(
        a=1.5, b=lambda d: d["x"] ** 2, a_b=lambda d: d["x"] ** 3
    )
    formula = "y ~ x + a:b + a_b + (1 | g)"
    mb.Model(formula, data)
    with pytest.raises(mb.DataError, match="'fixef_a_b' in the results; rename a column"):
        mb.Model(formula, data, priors={"fixef": {"x": mb.StudentT(3, 0, 1)}})


FINE = [
    "y ~ x + (1 | term)",
    "y ~ x + (1 | quantile) + (1 | category)",
    "y ~ x + (x | h) + (1 | h_x)",
    "y ~ x + (1 | fixef_x) + (1 | sigma) + (1 | X)",
    "y ~ x + (1 | chain) + (1 | draw) + (1 | index) + (1 | level) + (1 | mu)",
    "y ~ x + (x | g/h)",
]


def test_priors_of_several_kinds_have_a_name_for_each_element():
    data = frame("y ~ x + (x | h) + (1 | sd_h_x)")
    formula = "y ~ x + (x | h) + (1 | sd_h_x)"
    assert mb.Model(formula, data).design.n == 60
    assert mb.Model(formula, data, priors={"sd": mb.HalfNormal(1)}).design.n == 60
    one = {"sd": {"h": {"x": mb.HalfNormal(1)}}}
    with pytest.raises(mb.DataError, match="would both be called 'sd_h_x'"):
        mb.Model(formula, data, priors=one)
    data = frame("y ~ x + (1 | fixef_x)")
    with pytest.raises(mb.DataError, match="would both be called 'fixef_x'"):
        mb.Model("y ~ x + (1 | fixef_x)", data, priors={"fixef": mb.StudentT(4, 0, 1)})


@pytest.mark.parametrize("formula", FINE)
def test_names_that_only_look_alike(formula):
    model = mb.Model(formula, frame(formula))
    coords, dims = model_coords(model.spec), dims_of(model.spec)
    every = [*coords, *dims, response_name(model.spec)]
    assert len(every) == len(set(every))
    sizes = {d: len(labels) for d, labels in coords.items()}
    variables = {name: (own, np.zeros([sizes[d] for d in own])) for name, own in dims.items()}
    assert set(xr.Dataset(variables, coords).data_vars) == set(dims)


@pytest.mark.parametrize(
    ("response", "name"),
    [
        ("sd_g", "sd_g_response"),
        ("ranef_g", "ranef_g_response"),
        ("g_term", "g_term_response"),
        ("X", "X_response"),
        ("Intercept_at_means", "Intercept_at_means_response"),
        ("x_response", "x_response"),
    ],
)
def test_the_response_gives_way(response, name):
    data = frame("y ~ 1 + (1 | g)").rename(columns={"y": response})
    assert response_name(mb.Model(f"{response} ~ x + (x | g)", data).spec) == name


def test_draws_of_other_levels_do_not_belong_to_the_data():
    data = frame("y ~ x + (1 | g)").assign(g=lambda d: "s" + d.g)
    spec = mb.Model("y ~ x + (1 | g)", data).spec

    def tree(**coords):
        own = {k: v for k, v in model_coords(spec).items() if k != "obs"}
        return xr.DataTree.from_dict({"posterior": xr.Dataset(coords=own | coords)})

    check_labels(spec, tree())
    check_labels(spec, tree(other=["a"]))
    with pytest.raises(mb.FileError, match=r"'s4' as label 1 of 'g', where the data have 's0'"):
        check_labels(spec, tree(g=["s4", "s1", "s2", "s3", "s0"]))
    with pytest.raises(mb.FileError, match=r"4 labels of 'g', 5 in the data.*fit again"):
        check_labels(spec, tree(g=["s0", "s1", "s2", "s3"]))
