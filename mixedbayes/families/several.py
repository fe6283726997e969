"""What a family says of categories, of several linear predictors, and of several rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mixedbayes.design.response import Response
from mixedbayes.design.types import Design, Floats, Ints
from mixedbayes.errors import DataError
from mixedbayes.formula import Formula

type OfOne = Callable[[Any, Floats, Mapping[str, Floats], Ints], Any]

if TYPE_CHECKING:
    from mixedbayes.families.links import Link
    from mixedbayes.families.parameter import Parameter


class Several:
    """A part of `Family`; here as families of numbers with one predictor of the mean have it."""

    unordered: ClassVar[str] = ""  # why y has no mean, variance or order: categories without one
    # Whether means are averaged over the effects on all predictors at once.
    jointly: ClassVar[bool] = False
    unknown: ClassVar[bool] = False  # whether its predictors follow from the data
    columns: ClassVar[bool] = False  # whether y is counts in several columns, `cbind(a, b, c)`

    if TYPE_CHECKING:
        name: ClassVar[str]
        declared: ClassVar[tuple[Parameter, ...]]

        def parameter(self, name: str) -> Parameter: ...
        def parameter_link(self, name: str) -> Link: ...
        def reported(self, y: Floats) -> Any: ...

    @property
    def vectors(self) -> tuple[str, ...]:
        """Parameters that are thresholds: one, or one for each of several responses."""
        return tuple(p.name for p in self.declared if p.level)

    @property
    def correlates(self) -> bool:
        """Whether rows have normal residuals, which may be correlated."""
        return False

    def expanded(self, formula: Formula, response: Response) -> Formula:
        """The formulas of all predictors, from those written and the response of the rows.

        For a family the number of whose predictors depends on the data.
        """
        self.check_columns(response)
        return formula

    def knows(self, name: str, formula: Formula, response: Response) -> bool:
        """Whether a further formula's name is that of a predictor which follows from the data."""
        return False

    @property
    def by_response(self) -> Mapping[str, Any]:
        """The family of each of several responses, where they have different ones; else none."""
        return {}

    def of_response(self, k: int) -> Any:
        """The family of the k-th of several responses."""
        return self

    def each_alone(self, mu: Floats, parameters: Mapping[str, Floats], of: OfOne) -> Floats | None:
        """(S, n) what `of` says of the rows of each response that has a family of its own.

        It gets the family, means (S, m), parameters, and which rows. None of all other families.
        """
        return None

    def of_design(self, design: Design) -> Self:
        """The family as a design has it, where it depends on the categories of the response."""
        return self

    def reading(self, design: Design, levels: Sequence[Any] | None) -> Self:
        """The family as new rows have it whose responses are codes of these levels."""
        return self

    def check_columns(self, response: Response) -> None:
        """DataError where the response has several columns, and the family takes one."""
        if response.columns and not self.columns:
            raise DataError(
                f"the response has the columns {', '.join(response.columns)}: the {self.name} "
                "family takes one; of counts of categories there is family='multinomial'"
            )

    def parameter_origin(self, name: str) -> str:
        """What the spread of `parameter_scale` is, in words, for the table of priors."""
        declared, link = self.parameter(name).link.name, self.parameter_link(name).name
        there = "" if link == declared else f" on the {link} scale"
        return f"unit of {declared}({name}){there}"

    def predictor_scale(self, name: str) -> str:
        """The scale, in words, of a parameter's own predictor."""
        return self.parameter_link(name).name

    def categories(self, design: Design) -> tuple[Any, ...] | None:
        """Categories whose probabilities are the mean; None where the response is a number."""
        return None

    def totals(self, design: Design) -> Ints | None:
        """(n,) of how many each row's response is: its trials, or its counts; None for one."""
        return design.trials

    def observed(self, design: Design) -> Any:
        """(n,) the responses of a design, as draws and tables have them."""
        return self.reported(design.y)

    def category_counts(self, y: Floats, count: int) -> Floats:
        """(n, K) how many responses of each of K categories the rows have; y as in a design."""
        return np.asarray(np.asarray(y, int)[:, None] == np.arange(count), float)

    @property
    def response_labels(self) -> dict[str, list[str]]:
        """Labels along each further dimension of `reported` responses, by its name."""
        return {}

    def probabilities(self, mu: Floats, parameters: Mapping[str, Floats]) -> Floats:
        """(S, n, K) probability of each of K `categories`."""
        raise NotImplementedError

    def normal_probabilities(self, predictors: Floats, roots: Floats) -> Floats | None:
        """(..., K) mean of `probabilities` over normal effects on all predictors.

        These are (k, ...) and move by L z, z ~ N(0, I), L (k, d, ...). None where the family's
        means are averaged over the effects on one predictor after the other.
        """
        return None

    def linked_information(self, predictors: Floats) -> Floats | None:
        """(k, n) w of a row whose k predictors (k, n) have the information diag(w) - w w'.

        For rows of size 1; None where the information about each predictor stands by itself.
        """
        return None

    def linked_rows(self, design: Design) -> NDArray[np.bool_] | None:
        """(k, n) of several responses the rows whose predictors share their information.

        None where there are none, or all rows are alike.
        """
        return None

    def of_rows(self, k: int, eta: Any, parameters: Mapping[str, Any], some: Any, xp: Any) -> Any:
        """The predictor of the mean and the parameters of the k-th of several responses."""
        return some(eta), {name: some(parameters[name]) for name in parameters}

    def brms_arguments(self) -> str:
        """What brms's family has in its parentheses beside the link, with a comma before it."""
        return ""

    def brms_parameter(self, name: str) -> str:
        """What brms calls the predictor of a parameter."""
        return name
