"""A study's file: one per sampler and structure, added to by later runs of the same study."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.calibration.study import Refused
from benchmarks.machine import RESULTS, describe
from mixedbayes.lab.calibration import MOST, Simulation
from mixedbayes.lab.uniformity import holm, p_value

FOLDER = RESULTS / "sbc"


@dataclass(frozen=True)
class Study:
    """Simulations of one sampler on one structure."""

    sampler: str
    structure: str
    formula: str
    seed: int
    simulations: tuple[Simulation, ...] = ()
    refused: tuple[Refused, ...] = ()  # of which no posterior is known, so that none has ranks
    machine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.sampler}_{self.structure}.json"

    def missing(self, n: int) -> list[int]:
        """Numbers of the simulations that a study of n still lacks."""
        done = {s.number for s in (*self.simulations, *self.refused)}
        return [k for k in range(n) if k not in done]

    def ranks(self) -> dict[str, np.ndarray]:
        """(n,) ranks by quantity."""
        names = self.simulations[0].ranks if self.simulations else ()
        return {q: np.array([s.ranks[q] for s in self.simulations]) for q in names}

    def p_values(self) -> dict[str, float]:
        """By quantity, for the hypothesis that its ranks are uniform; not adjusted."""
        return {name: p_value(r, MOST) for name, r in self.ranks().items()}

    def added(self, found: Iterable[Simulation | Refused]) -> Study:
        every = sorted([*self.simulations, *self.refused, *found], key=lambda s: s.number)
        return replace(
            self,
            simulations=tuple(s for s in every if isinstance(s, Simulation)),
            refused=tuple(s for s in every if isinstance(s, Refused)),
        )

    def save(self) -> None:
        """Write the file whole, under a temporary name first."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        p = self.p_values()
        order = list(p)
        document = {
            "sampler": self.sampler,
            "structure": self.structure,
            "formula": self.formula,
            "seed": self.seed,
            "n": len(self.simulations),
            "ranks_in": [0, MOST],
            "divergences": sum(s.divergences for s in self.simulations),
            "lowest_ess": min((s.ess for s in self.simulations), default=0.0),
            "p_values": p,
            "holm_adjusted": holm(p),
            "machine": describe(),
            "columns": ["number", "divergences", "lowest_ess", "draws", "ranks"],
            "quantities": order,
            "simulations": "@",
        }
        if self.refused:
            document["refused"] = [[r.number, r.said] for r in self.refused]
        rows = ",\n".join(json.dumps(_row(s, order)) for s in self.simulations)
        text = json.dumps(document, indent=1).replace('"@"', f"[\n{rows}\n]")
        part = self.path.with_suffix(".part")
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, self.path)


def load(path: Path) -> Study:
    """Read a study's file."""
    d = json.loads(path.read_text(encoding="utf-8"))
    simulations = tuple(
        Simulation(number, dict(zip(d["quantities"], ranks, strict=True)), divergences, ess, draws)
        for number, divergences, ess, draws, ranks in d["simulations"]
    )
    refused = tuple(Refused(number, said) for number, said in d.get("refused", ()))
    about = (d[name] for name in ("sampler", "structure", "formula", "seed"))
    return Study(*about, simulations, refused, d["machine"])


def _row(s: Simulation, order: list[str]) -> list[Any]:
    ranks = [s.ranks[name] for name in order]
    return [s.number, s.divergences, round(s.ess), s.draws, ranks]
