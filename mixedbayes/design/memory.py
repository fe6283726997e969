"""What the fitted data teach, for new data to be read in the same way."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mixedbayes.design.coding import Coding
from mixedbayes.design.functions import State
from mixedbayes.design.values import Kind
from mixedbayes.errors import ModelError


@dataclass
class Memory:
    """Learned by the evaluation in the fitted data, obeyed by later ones."""

    functions: Mapping[str, Any]
    formula: str  # the user's text, for messages
    columns: frozenset[str]  # names that are columns; others are constants
    own: frozenset[str] = frozenset()  # of the functions, those that the caller passed
    kinds: dict[str, Kind] = field(default_factory=dict)  # of columns
    levels: dict[str, pd.Index] = field(default_factory=dict)  # of factors, by canonical text
    states: dict[str, State] = field(default_factory=dict)  # of stateful calls, likewise
    coding: Coding = field(default_factory=Coding)  # of columns that are predictors
    numbers: dict[str, Any] = field(default_factory=dict)  # calls that gave one for all rows

    def __getstate__(self) -> dict[str, Any]:
        """For pickle, which finds functions by their names; ModelError where it cannot."""
        for name in sorted(self.own):
            try:
                pickle.dumps(self.functions[name])
            except Exception as e:
                raise ModelError(
                    f"functions: {name} cannot be pickled ({e}), nor can a model that uses it; "
                    "define it with def at the top level of a module, or put its result into a "
                    "column"
                ) from e
        return vars(self)
