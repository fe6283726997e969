"""What the fitted data teach, for new data to be read in the same way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from mixedbayes.design.coding import Coding
from mixedbayes.design.functions import State
from mixedbayes.design.values import Kind


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
