"""The bases of smooths, by the names that `bs=` has."""

from __future__ import annotations

from mixedbayes.smooths.basis import Basis
from mixedbayes.smooths.cubic import Cubic, Cyclic
from mixedbayes.smooths.p_spline import PSpline
from mixedbayes.smooths.thin_plate import ThinPlate

BASES: dict[str, Basis] = {b.name: b for b in (ThinPlate(), Cubic(), Cyclic(), PSpline())}
