"""LaTeX as MathML."""

from xml.etree import ElementTree

import pytest

import mixedbayes as mb
from mixedbayes.report.equations import model_equations, other_forms
from mixedbayes.report.mathml import mathml

NS = "{http://www.w3.org/1998/Math/MathML}"


def tree(latex):
    return ElementTree.fromstring(mathml(latex))


def shape(element):
    """Tags and texts as nested tuples, without attributes."""
    tag = element.tag.removeprefix(NS)
    return (tag, *map(shape, element)) if len(element) else (tag, element.text)


def body(latex):
    return shape(tree(latex))[1]


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("x", ("mi", "x")),
        ("12.5", ("mn", "12.5")),
        (r"\beta_{12}", ("msub", ("mi", "β"), ("mn", "12"))),
        ("x_i^2", ("msubsup", ("mi", "x"), ("mi", "i"), ("mn", "2"))),
        ("x^2_i", ("msubsup", ("mi", "x"), ("mi", "i"), ("mn", "2"))),
        (r"\hat\alpha_j", ("msub", ("mover", ("mi", "α"), ("mo", "^")), ("mi", "j"))),
        (r"\mathrm{my_{}col}", ("mi", "my_col")),
        (r"\mathrm{a\_b\$}", ("mi", "a_b$")),
        (r"\tfrac12", ("mstyle", ("mfrac", ("mn", "1"), ("mn", "2")))),
        (r"\frac{a}{b}", ("mstyle", ("mfrac", ("mi", "a"), ("mi", "b")))),
        (r"\mathcal{N}", ("mi", "𝒩")),
        (r"\mathbf{1}", ("mi", "𝟏")),
        ("a-b", ("mrow", ("mi", "a"), ("mo", "−"), ("mi", "b"))),
        (r"\min_{x}", ("munder", ("mo", "min"), ("mi", "x"))),
    ],
)
def test_translation(latex, expected):
    assert body(latex) == expected


def test_a_matrix_stands_between_parentheses():
    found = body(r"\begin{pmatrix} a \\ b \end{pmatrix}")
    rows = ("mtable", ("mtr", ("mtd", ("mi", "a"))), ("mtr", ("mtd", ("mi", "b"))))
    assert found == ("mrow", ("mo", "("), rows, ("mo", ")"))


def test_aligned_lines_are_rows_with_two_cells():
    table = tree("\\begin{aligned}\na &= b \\\\\nc &\\sim d\n\\end{aligned}").find(f"{NS}mtable")
    rows = table.findall(f"{NS}mtr")
    assert [len(r) for r in rows] == [2, 2]
    signs = [r.find(f".//{NS}mo") for r in rows]
    assert [s.text for s in signs] == ["=", "∼"]
    assert all(s.get("form") == "infix" for s in signs)
    accented = tree("\\begin{aligned}\n\\hat\\beta &= b\n\\end{aligned}")
    assert accented.find(f".//{NS}mover") is not None


@pytest.mark.parametrize("name", ["a_b", "50% & <b>", "{x}", "a^b~c", "back\\slash", "$", "#1"])
def test_names_of_any_kind_come_out_as_they_are(name):
    from mixedbayes.teach.context import tex

    assert body(tex(name)) == ("mi", name.replace(" ", "\u00a0"))


@pytest.mark.parametrize(
    ("latex", "said"),
    [
        (r"\unknown{x}", r"\\unknown"),
        (r"\begin{array}a\end{array}", "environment array"),
        ("{a", "not closed"),
        (r"\left( a", "without"),
        ("a & b", "'&'"),
        (r"\mathcal{Q}", "mathcal"),
    ],
)
def test_what_is_not_known_is_refused(latex, said):
    with pytest.raises(mb.ModelError, match=said):
        mathml(latex)


FORMULAS = [
    ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    ("pastes", "strength ~ 1 + (1 | batch / cask)"),
    ("sleepstudy", "Reaction ~ Days + (Days || Subject)"),
]


@pytest.mark.parametrize(("data", "formula"), FORMULAS)
def test_all_forms_of_a_model_are_written(data, formula):
    model = mb.Model(formula, mb.load_data(data))
    ElementTree.fromstring(mathml(model_equations(model.spec)))
    forms = other_forms(model.spec)
    assert len(forms) == 12
    for _, _, _, latex in forms:
        ElementTree.fromstring(mathml(latex))


def test_the_equations_name_everything():
    sleep = mb.load_data("sleepstudy")
    model = mb.Model(["Reaction ~ Days + (Days | Subject)", "sigma ~ Days + (1 | Subject)"], sleep)
    lines = model_equations(model.spec).splitlines()
    assert lines[1] == r"\mathrm{Reaction}_i &\sim \mathcal{N}(\mu_i,\, \sigma_i^2) \\"
    assert r"\beta_{\mathrm{Days}}\,\mathrm{Days}_i" in lines[2]
    assert any(line.startswith(r"\mathrm{log}(\sigma_i) &=") for line in lines)
    assert any(r"\gamma^{(\sigma)\,\mathrm{Subject}}" in line for line in lines)
    ElementTree.fromstring(mathml("\n".join(lines)))


def test_equations_say_how_responses_were_observed():
    kidney = mb.load_data("kidney")
    model = mb.Model(
        "time | cens(censored) + trunc(upper=600) ~ age + (1 | patient)", kidney, family="weibull"
    )
    found = model_equations(model.spec)
    said = r"observed through }\mathrm{cens(censored)}\text{ and }\mathrm{trunc(upper=600)} \\"
    assert found.splitlines()[2].endswith(said)
    ElementTree.fromstring(mathml(found))


def test_long_predictors_are_cut():
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)
    names = [f"x{k}" for k in range(20)]
    frame = pd.DataFrame(rng.normal(size=(60, 21)), columns=["y", *names])
    found = model_equations(mb.Model(f"y ~ {' + '.join(names)}", frame).spec)
    assert "(9 more)" in found
    assert "x19" not in found
