"""What a formula says, as text only: no data has been seen."""

from dataclasses import dataclass

from mixedbayes.terms.bars import BARS, PLAIN, Grouper


@dataclass(frozen=True)
class Span:
    """Half-open range of characters in the formula's text."""

    start: int
    end: int


@dataclass(frozen=True)
class RandomTerm:
    """One bar: the effects on its left vary over the levels of the factor on its right.

    `(x | a/b)` gives two of these, over `a` and over `a:b`.
    """

    text: str  # as written, "(Days | Subject)"
    effects: str  # left side for formulaic, with the intercept explicit: "1 + Days", "0 + Days"
    # Names of the columns whose combinations are the levels, or with mm() of those that have them.
    factors: tuple[str, ...]
    structure: str  # of the effects' covariance: "us" for `|`, "diag" for `||`
    span: Span
    grouper: Grouper = PLAIN  # what is said of the levels
    id: str = ""  # under which effects of several formulas are correlated, (x | id | g)

    @property
    def correlated(self) -> bool:
        """Whether the effects of the bar are correlated."""
        return self.structure != BARS["||"]

    @property
    def group(self) -> str:
        """Name of the grouping factor: "Subject", "batch:cask", "mm(a, b)", "species[A]"."""
        return self.grouper.name(self.factors)

    @property
    def law(self) -> str:
        """Of the standardised effects, by name."""
        return self.grouper.law


@dataclass(frozen=True)
class Response:
    """The left side: `log(y)`, `successes | trials(n)`, `y | se(s)`, `y | cens(c)`."""

    text: str  # the response itself, "log(y)"
    span: Span
    trials: str | None = None  # expression inside trials(...)
    weights: str | None = None  # expression inside weights(...)
    cens: tuple[str, ...] = ()  # inside cens(...): each row's censoring, and perhaps upper ends
    trunc: tuple[str | None, str | None] = (None, None)  # the bounds inside trunc(...)
    se: str | None = None  # expression inside se(...), known standard errors
    se_adds: bool = False  # se(..., sigma=True): they add to a residual sd that is estimated
    mi: bool = False  # mi(): rows without a response stay
    rate: str | None = None  # expression inside rate(...); the formula has its log as an offset

    @property
    def limits(self) -> tuple[str, ...]:
        """`cens(...)` and `trunc(...)` as a formula has them, those that there are."""
        bounds = ", ".join(
            f"{name}={text}"
            for name, text in zip(("lower", "upper"), self.trunc, strict=True)
            if text is not None
        )
        said = (("cens", ", ".join(self.cens)), ("trunc", bounds))
        return tuple(f"{name}({inside})" for name, inside in said if inside)

    @property
    def weighing(self) -> str | None:
        """What says how precise a row is, as a formula has it; None where all rows are alike."""
        if self.se is not None:
            return f"se({self.se}{', sigma=True' if self.se_adds else ''})"
        return None if self.weights is None else f"weights({self.weights})"

    @property
    def wrappers(self) -> tuple[str, ...]:
        """What stands after the response's `|`, as a formula has it; a rate is an offset."""
        trials = None if self.trials is None else f"trials({self.trials})"
        said = (text for text in (trials, self.weighing) if text is not None)
        return (*said, *self.limits, *(["mi()"] if self.mi else []))


@dataclass(frozen=True)
class Axes:
    """What a picture of data shows: `y ~ x | group`, as texts of expressions."""

    text: str
    y: str
    x: str | None  # None: the running number of the row
    factors: tuple[str, ...]  # column names whose combinations are the groups; none: ()


@dataclass(frozen=True)
class ResidualTerm:
    """How residuals of the rows of one group are correlated: `ar1(visit | patient)`."""

    text: str  # as written
    structure: str  # of the correlations, by its name in the registry
    of: str  # expression of the positions, visits or times; "" where rows have none
    factors: tuple[str, ...]  # columns whose combinations are the groups
    by: str = ""  # column of arms, each with correlations of its own

    @property
    def group(self) -> str:
        """Name of the grouping factor."""
        return ":".join(self.factors)


@dataclass(frozen=True)
class Formula:
    """A parsed formula: response, population part, offsets and bars."""

    text: str
    response: Response
    fixed: str  # population part for formulaic, intercept explicit: "1 + Days", "0 + x"
    offsets: tuple[str, ...]  # expressions inside offset(...)
    random: tuple[RandomTerm, ...]
    others: tuple["Formula", ...] = ()  # of further parameters, whose names are their responses
    parameter: str = "mu"  # of the first predictor
    specific: "Formula | None" = None  # of category-specific effects, once they are apart
    source: "Formula | None" = None  # as written, where this one was made of it and the data
    residual: ResidualTerm | None = None  # how residuals are correlated

    @property
    def of(self) -> str:
        """Of a further formula, the parameter that it is of."""
        return self.response.text.strip("`")

    @property
    def texts(self) -> tuple[str, ...]:
        """Every formula as written, that of the mean first."""
        written = self.source or self
        return (written.text, *(other.text for other in written.others))
