"""How a formula says a covariance, a law and levels, as text alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Structures of covariances that a bar stands for; the others are named, cs(x | g).
BARS: dict[str, str] = {"|": "us", "||": "diag"}
LAW = "normal"  # of the effects of every bar that names none, gr(g, law="...")


@dataclass(frozen=True)
class Grouper:
    """What a bar says of its levels besides their columns: `gr(g, by=arm)`, `mm(a, b)`."""

    law: str = LAW  # of the standardised effects
    numbers: tuple[tuple[str, float], ...] = ()  # that are given of the law: nu=4
    relation: str = ""  # name of the known covariance of the levels, cov=A, or precision=Q
    precision: bool = False  # how it was named
    by: str = ""  # column by whose values the covariance of the effects differs
    members: bool = False  # mm(a, b): a row lies in the levels that each column has
    weights: tuple[str, ...] = ()  # expressions of a row's weight in each; none: equal ones
    scale: bool = True  # weights are divided by their sum

    @property
    def plain(self) -> bool:
        """Whether nothing is said: independent normal effects with one covariance."""
        return self == PLAIN

    def name(self, factors: Sequence[str]) -> str:
        """Of the grouping factor: "g", "a:b", "mm(a, b)"; with the name of a relation, "g[A]"."""
        name = f"mm({', '.join(factors)})" if self.members else ":".join(factors)
        return f"{name}[{self.relation}]" if self.relation else name

    def text(self, factors: Sequence[str], written: Callable[[str], str] = str) -> str:
        """The right side of a bar as a formula has it; `written` puts odd names in backticks."""
        columns = [written(name) for name in factors]
        said = [f"weights=[{', '.join(self.weights)}]"] if self.weights else []
        said += [] if self.scale else ["scale=False"]
        if self.relation:
            said.append(f"{'precision' if self.precision else 'cov'}={written(self.relation)}")
        said += [f"by={written(self.by)}"] if self.by else []
        said += [] if self.law == LAW else [f'law="{self.law}"']
        said += [f"{name}={value:g}" for name, value in self.numbers]
        if self.members:
            return f"mm({', '.join([*columns, *said])})"
        group = ":".join(columns)
        return f"gr({', '.join([group, *said])})" if said else group


PLAIN = Grouper()


def bar_text(structure: str, effects: str, group: str, id: str = "") -> str:
    """A bar as a formula has it: "(x | g)", "cs(x | g)", "(x | id | g)"."""
    group = f"{id} | {group}" if id else group
    for bar, name in BARS.items():
        if name == structure:
            return f"({effects} {bar} {group})"
    return f"{structure}({effects} | {group})"
