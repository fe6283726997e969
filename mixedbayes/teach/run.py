"""A form of a model, with its equation, its code, and the numbers by which it was checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from mixedbayes.design.types import Floats
from mixedbayes.errors import ModelError
from mixedbayes.model.spec import Spec
from mixedbayes.printable import printable
from mixedbayes.results.posterior import Posterior
from mixedbayes.teach import code, equations, regression
from mixedbayes.teach.context import Context, context


@dataclass(frozen=True, eq=False, repr=False)
class Check:
    """Two computations of one thing."""

    what: str
    left: Floats
    right: Floats

    @property
    def error(self) -> float:
        """Largest difference, relative to the largest number where that is above 1."""
        size = max(1.0, float(np.abs(self.right).max()))
        return float(np.abs(self.left - self.right).max()) / size

    def __str__(self) -> str:
        if self.left.size == 1:
            shown = f"{self.left.item():.10g} and {self.right.item():.10g}"
        else:
            shape = " x ".join(map(str, self.left.shape))
            shown = f"{shape} numbers, the first {self.left.flat[0]:.8g}, {self.right.flat[0]:.8g}"
        return f"{self.what}: {shown}; largest difference {self.error:.1e}"

    __repr__ = __str__


@dataclass(frozen=True, eq=False, repr=False)
class Way:
    """One form of the model."""

    key: str  # "3c"
    title: str
    says: str
    equation: str  # LaTeX without dollar signs
    code: str  # runs after `Ways.setup`
    check: Check

    def __str__(self) -> str:
        parts = (f"{self.key}: {self.title}", self.says, self.equation, self.code, f"{self.check}")
        return "\n\n".join(parts)

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return (
            f"#### {self.key}: {self.title}\n\n{self.says}\n\n$$\n{self.equation}\n$$\n\n"
            f"```python\n{self.code}\n```\n\n{self.check}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Ways(Mapping[str, Way]):
    """The forms of one model by key, "1a" to "7", or "1" to "7" without group effects.

    Attributes
    ----------
    formula
        Of the model.
    setup
        Code that makes the arrays and the values at which the forms are compared, from `model`.
        Every form's code runs after it.
    """

    formula: str
    setup: str
    forms: tuple[Way, ...]

    def __getitem__(self, key: str) -> Way:
        for way in self.forms:
            if way.key == key:
                return way
        raise KeyError(f"{key!r} is not among {', '.join(self)}")

    def __iter__(self) -> Iterator[str]:
        return (way.key for way in self.forms)

    def __len__(self) -> int:
        return len(self.forms)

    def table(self) -> pd.DataFrame:
        """One row per form, and how far its two computations differ.

        Returns
        -------
        DataFrame
            - key: "1a", ...;
            - title: of the form;
            - check: what was compared;
            - error: the largest relative difference of two computations.

        See Also
        --------
        markdown : All forms as one text.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
        >>> mb.ways(model).table()[["key", "title"]].head(3)
          key                       title
        0  1a      coefficients that vary
        1  1b                  two levels
        2   2  local regressions combined
        """
        rows = [(w.key, w.title, w.check.what, w.check.error) for w in self.forms]
        return pd.DataFrame(rows, columns=["key", "title", "check", "error"])

    def __repr__(self) -> str:
        lines = [f"{w.key:<3} {w.title}\n    {w.check}" for w in self.forms]
        return printable("\n".join([f"{self.formula}, in {len(self)} forms", *lines]))

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(w.key)}</td><td>{escape(w.title)}</td>"
            f"<td style='text-align:left'>{escape(str(w.check))}</td></tr>"
            for w in self.forms
        )
        return (
            f"<h4>{escape(self.formula)}</h4><table><thead><tr><th>form</th><th>title</th>"
            f"<th>check</th></tr></thead><tbody>{rows}</tbody></table>"
            "<p>ways[&quot;3c&quot;] shows one form with its equation and code; "
            "ways.setup makes the arrays.</p>"
        )

    def markdown(self) -> str:
        """All of it as one text: the setup, then every form with equation, code and check.

        Returns
        -------
        str
            A document in Markdown, equations in LaTeX between dollars, code in fences.

        See Also
        --------
        table : One line for each form.

        Examples
        --------
        >>> import mixedbayes as mb
        >>> model = mb.Model("Reaction ~ Days + (Days | Subject)", mb.load_data("sleepstudy"))
        >>> print(mb.ways(model).markdown().splitlines()[0])
        ### Reaction ~ Days + (Days | Subject)
        """
        forms = "\n\n".join(way._repr_markdown_() for way in self.forms)
        return f"### {self.formula}\n\n```python\n{self.setup}\n```\n\n{forms}"


TOLERANCE = 1e-8
MEAN = "mean of every row"


@dataclass(frozen=True)
class Form:
    """How one form is made."""

    key: str
    title: str
    says: str
    equation: Callable[[equations.Symbols], str]
    code: Callable[[Context], str] | None  # None: the Bayesian form, which needs the priors
    compared: str


FORMS = (
    Form(
        "1a",
        "coefficients that vary",
        "A regression in which each level has coefficients of its own, drawn from a normal "
        "distribution around the population's, or around what predictors of the level say.",
        equations.varying_coefficients,
        code.varying_coefficients,
        MEAN,
    ),
    Form(
        "1b",
        "two levels",
        "An equation for the rows within a level, and one for the levels' coefficients, which are "
        "outcomes themselves: predictors of the level stand there, with an intercept, and those of "
        "a slope are interactions across levels.",
        equations.multilevel,
        code.multilevel,
        MEAN,
    ),
    Form(
        "2",
        "local regressions combined",
        "Each level's own least-squares regression and the population's coefficients, averaged by "
        "what each knows: the rows' information and the inverse variance between levels. Given the "
        "variances, and other factors' effects where there are any, this is the posterior mean.",
        equations.local_regressions,
        code.local_regressions,
        "coefficients of every level",
    ),
    Form(
        "3a",
        "indicator columns",
        "A column of zeros and ones for each level, times the covariate whose effect varies: a "
        "regression on all of them, whose coefficients are normal around zero.",
        equations.indicators,
        code.indicators,
        MEAN,
    ),
    Form(
        "3b",
        "a design for each level",
        "The rows of one level at a time, with their part of X and their own Z.",
        equations.clusters,
        code.clusters,
        MEAN,
    ),
    Form(
        "3c",
        "one matrix equation",
        "The levels' designs along the diagonal of one Z, the factors' Z beside each other, and "
        "all effects in one vector.",
        equations.general,
        code.general,
        MEAN,
    ),
    Form(
        "4a",
        "several error terms",
        "Effects of groups are errors too, shared by the rows of a level. The variance of a row's "
        "error adds up, and the groups' share of it is the intraclass correlation.",
        equations.error_terms,
        code.error_terms,
        "variance of every row's error",
    ),
    Form(
        "4b",
        "conditional and marginal",
        "Given the effects the rows are independent; without them they are jointly normal. The "
        "second density is the first integrated over the effects. By Bayes' theorem it is the "
        "joint density divided by that of the effects given the data, at whatever value of the "
        "effects.",
        equations.conditional_and_marginal,
        code.conditional_and_marginal,
        "log p(y)",
    ),
    Form(
        "5a",
        "correlated errors",
        "No effects at all, but errors that are correlated within a level: entry by entry from who "
        "shares a level with whom, and at once as Z Psi Z' + sigma^2 I.",
        equations.correlated_errors,
        code.correlated_errors,
        "covariance of the errors",
    ),
    Form(
        "5b",
        "one multivariate normal",
        "All responses are one draw from a normal distribution with that covariance.",
        equations.multivariate_normal,
        code.multivariate_normal,
        "log p(y)",
    ),
    Form(
        "6",
        "penalised least squares",
        "Least squares over population and group effects together, the latter penalised by their "
        "inverse variance. The solution is generalised least squares for the population and the "
        "posterior mean for the groups.",
        equations.penalised,
        code.penalised,
        "population and group effects",
    ),
    Form(
        "7",
        "Bayesian",
        "Priors for all that is not known; the distribution of the group effects is one of them. "
        "Here in PyMC, with this model's priors and the effects non-centred.",
        equations.bayesian,
        None,
        "log joint density",
    ),
)


# Of a model without group effects
PLAIN_FORMS = (
    Form(
        "1",
        "one equation for every row",
        "The expected response of a row is the sum of its predictors times their coefficients; "
        "what is left is an error of its own, normal and independent of all others.",
        regression.rows_equation,
        regression.rows_code,
        MEAN,
    ),
    Form(
        "3",
        "one matrix equation",
        "All rows at once: a column of X for each coefficient, that of ones for the intercept.",
        regression.matrix_equation,
        regression.matrix_code,
        MEAN,
    ),
    Form(
        "5",
        "one multivariate normal",
        "All responses are one draw from a normal distribution without correlations, which is as "
        "many draws of one number.",
        regression.normal_equation,
        regression.normal_code,
        "log p(y)",
    ),
    Form(
        "6",
        "least squares",
        "The coefficients that make the likelihood largest, whatever sigma: the posterior mean "
        "under flat priors.",
        regression.least_squares_equation,
        regression.least_squares_code,
        "coefficients",
    ),
    Form(
        "7",
        "Bayesian",
        "Priors for all that is not known. Here in PyMC, with this model's priors.",
        regression.bayesian_equation,
        None,
        "log joint density",
    ),
)


def forms_of(c: Context) -> tuple[Form, ...]:
    """The forms that a model has: of a mixed model, or of a regression."""
    return FORMS if c.factors else PLAIN_FORMS


def ways(of: Spec | Posterior) -> Ways:
    r"""Write a Gaussian mixed model in its textbook forms, and show that they are one model.

    The forms are: 1a coefficients that vary, 1b two levels, 2 local regressions combined, 3a
    indicator columns, 3b a design for each level, 3c one matrix equation, 4a several error terms,
    4b conditional and marginal, 5a correlated errors, 5b one multivariate normal, 6 penalised least
    squares, 7 Bayesian. Each has its equation in LaTeX with the names of the data, code that was
    run (NumPy and SciPy; PyMC for the last), and the numbers of two computations that agree.

    A regression without group effects has five: 1 one equation for every row, 3 one matrix
    equation, 5 one multivariate normal, 6 least squares, 7 Bayesian.

    Parameters
    ----------
    of
        A model's spec, whose forms are compared at values of the order that the data suggest (they
        agree at any); or a posterior, at whose means they are compared.

    Returns
    -------
    Ways
        By key: ``ways["3c"]`` has title, says, equation, code and check; `table` is one row per
        form, `setup` the code that makes the arrays, `markdown` the whole as text.

    Raises
    ------
    ModelError
        If the model is not Gaussian with identity link and equal weights, has no effects at all, or
        more than 1,500 rows: the forms need matrices of rows x rows. If two computations disagree
        by more than 1e-8 of their size, which only an ill-conditioned covariance should do.

    See Also
    --------
    ways : Of the package: the same of a model that is not fitted.
    code : The model for other packages.
    pymc : The model in PyMC.

    Examples
    --------
    >>> import mixedbayes as mb
    >>> sleep = mb.load_data("sleepstudy")
    >>> fit = mb.fit("Reaction ~ Days + (Days | Subject)", sleep, seed=1)
    >>> forms = fit.ways()
    >>> forms.table()[["title"]].head(3)
                            title
    0      coefficients that vary
    1                  two levels
    2  local regressions combined
    >>> print(forms["2"].equation)
    \begin{aligned}
    \hat\alpha_j &= \left(Z_j^\top Z_j\right)^{+} Z_j^\top y_j \\
    \mathrm{E}[\alpha_j \mid y] &= \left(\tfrac{1}{\sigma^2} Z_j^\top Z_j +
    \Psi_{\mathrm{Subject}}^{-1}\right)^{-1}\left(\tfrac{1}{\sigma^2} Z_j^\top Z_j\,\hat\alpha_j +
    \Psi_{\mathrm{Subject}}^{-1} \begin{pmatrix} \beta_{\mathrm{Intercept}} \\
    \beta_{\mathrm{Days}} \end{pmatrix}\right)
    \end{aligned}

    References
    ----------
    Gelman & Hill (2007), doi:10.1017/CBO9780511790942, section 12.5; Bates et al. (2015),
    doi:10.18637/jss.v067.i01, for penalised least squares.
    """
    c, spec = context(of), of if isinstance(of, Spec) else of.spec
    model = SimpleNamespace(spec=spec, design=spec.design)  # what the code reads of it
    symbols = equations.Symbols(c)
    start = code.setup(c) if c.factors else regression.setup(c)
    forms = []
    for form in forms_of(c):
        text = code.bayesian(c, spec) if form.code is None else form.code(c)
        left, right = execute(start, text, model)
        check = Check(form.compared, left, right)
        if not check.error < TOLERANCE:
            raise ModelError(
                f"form {form.key} disagrees with its other computation: {check}. Are standard "
                "deviations of group effects many orders apart, or columns nearly dependent?"
            )
        forms.append(Way(form.key, form.title, form.says, form.equation(symbols), text, check))
    return Ways(spec.design.formula.text, start, tuple(forms))


def execute(start: str, text: str, model: Any) -> tuple[Floats, Floats]:
    """Run a form's code after the setup; what it leaves in `left` and `right`."""
    space: dict[str, Any] = {"model": model}
    exec(compile(start, "<setup>", "exec"), space)
    exec(compile(text, "<form>", "exec"), space)
    return np.asarray(space["left"], float), np.asarray(space["right"], float)
