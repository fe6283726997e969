"""The forms of a model without group effects: equations in LaTeX, and code."""

from __future__ import annotations

from mixedbayes import names
from mixedbayes.interop.writing import lines, said
from mixedbayes.teach.code import arrays
from mixedbayes.teach.context import Context
from mixedbayes.teach.equations import Symbols, aligned, total

# ---- equations -----------------------------------------------------------------------------------


def rows_equation(s: Symbols) -> str:
    return aligned(rf"{s.y_i} &= {total([*s.fixed(_places(s.c)), 'e_i'])}", s.noise)


def matrix_equation(s: Symbols) -> str:
    columns = [r"\mathbf{1}" if t == names.INTERCEPT else f"x_{k}" for k, t in _numbered(s.c)]
    return aligned(
        r"y &= X\beta + e, \quad e \sim \mathcal{N}(0, \sigma^2 I)",
        rf"X &= [\,{r'\; '.join(columns)}\,]",
    )


def normal_equation(s: Symbols) -> str:
    return aligned(
        r"y &\sim \mathcal{N}(X\beta,\, \sigma^2 I)",
        r"\log p(y) &= -\tfrac{n}{2}\log 2\pi\sigma^2"
        r" - \tfrac{1}{2\sigma^2} \lVert y - X\beta\rVert^2",
    )


def least_squares_equation(s: Symbols) -> str:
    return aligned(
        r"\hat\beta &= \arg\min_{\beta}\; \lVert y - X\beta\rVert^2 = (X^\top X)^{-1} X^\top y",
        r"\hat\sigma^2 &= \tfrac{1}{n - p}\lVert y - X\hat\beta\rVert^2",
    )


def bayesian_equation(s: Symbols) -> str:
    return aligned(
        r"\beta,\ \sigma &\sim \text{priors}",
        r"y \mid \beta, \sigma &\sim \mathcal{N}(X\beta,\, \sigma^2 I)",
    )


def _places(c: Context) -> list[int]:
    return list(range(len(c.terms)))


def _numbered(c: Context) -> list[tuple[int, str]]:
    """Terms, and which of the predictors each is: the intercept is 0."""
    first = 0 if names.INTERCEPT in c.terms else 1
    return list(enumerate(c.terms, first))


# ---- code ----------------------------------------------------------------------------------------


def setup(c: Context) -> str:
    """Arrays, and the values at which the forms are compared."""
    return lines(arrays(c), "", "mu = X @ beta")


def rows_code(c: Context) -> str:
    return lines(
        "# row by row",
        "left = np.empty(n)",
        "for i in range(n):",
        "    left[i] = sum(b * x for b, x in zip(beta, X[i]))",
        "right = mu",
    )


def matrix_code(c: Context) -> str:
    return lines(
        "left = X @ beta",
        "",
        "# column by column",
        "right = np.zeros(n)",
        [f"right += beta[{k}] * X[:, {k}]  # {said(term)}" for k, term in enumerate(c.terms)],
    )


def normal_code(c: Context) -> str:
    return lines(
        "# one draw of n numbers",
        "left = stats.multivariate_normal(mu, sigma**2 * np.eye(n)).logpdf(y)",
        "",
        "# n draws of one number",
        "right = stats.norm(mu, sigma).logpdf(y).sum()",
    )


def least_squares_code(c: Context) -> str:
    return lines(
        'Q, R = linalg.qr(X, mode="economic")',
        "left = linalg.solve_triangular(R, Q.T @ y)",
        "",
        "# of columns in units of their length",
        "length = np.linalg.norm(X, axis=0)",
        "right = np.linalg.lstsq(X / length, y)[0] / length",
    )
