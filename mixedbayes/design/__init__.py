"""Formula and data to arrays, with every check that needs no model."""

from mixedbayes.design.axis import dense_notes
from mixedbayes.design.build import (
    build_design,
    coding_of,
    known_of,
    levels_of,
    own_functions,
    own_names,
)
from mixedbayes.design.checks import check_effects
from mixedbayes.design.replay import (
    check_unobserved,
    random_columns,
    replay,
    replay_residual,
    weighted_columns,
)
from mixedbayes.design.table import table
from mixedbayes.design.types import Design, GroupDesign, LinearPredictor, NewRows, NewTerm
from mixedbayes.design.used import category_columns, used_columns, used_functions

__all__ = [
    "Design",
    "GroupDesign",
    "LinearPredictor",
    "NewRows",
    "NewTerm",
    "build_design",
    "category_columns",
    "check_effects",
    "check_unobserved",
    "coding_of",
    "dense_notes",
    "known_of",
    "levels_of",
    "own_functions",
    "own_names",
    "random_columns",
    "replay",
    "replay_residual",
    "table",
    "used_columns",
    "used_functions",
    "weighted_columns",
]
