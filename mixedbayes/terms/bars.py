"""How a formula says a covariance and a law, as text alone."""

from __future__ import annotations

# Structures of covariances that a bar stands for; the others are named, cs(x | g).
BARS: dict[str, str] = {"|": "us", "||": "diag"}
LAW = "normal"  # of the effects of every bar that names none, gr(g, law="...")


def bar_text(structure: str, effects: str, group: str, law: str = LAW, id: str = "") -> str:
    """A bar as a formula has it: "(x | g)", "cs(x | g)", "(x | id | g)"."""
    group = group if law == LAW else f'gr({group}, law="{law}")'
    group = f"{id} | {group}" if id else group
    for bar, name in BARS.items():
        if name == structure:
            return f"({effects} {bar} {group})"
    return f"{structure}({effects} | {group})"
