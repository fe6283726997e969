"""The engines, in order of preference."""

from __future__ import annotations

from mixedbayes.engines.base import Engine
from mixedbayes.engines.joint import JointEngine
from mixedbayes.engines.marginal import MarginalEngine
from mixedbayes.engines.pymc import PyMCEngine
from mixedbayes.engines.quadrature import QuadratureEngine

ENGINES: tuple[Engine, ...] = (MarginalEngine(), QuadratureEngine(), JointEngine(), PyMCEngine())
