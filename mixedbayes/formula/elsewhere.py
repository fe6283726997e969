"""Residuals as brms, nlme, glmmTMB and SAS say them, and how the same is said here.

Their words have the names of the user's columns in places of their own: `ar(time = visit, gr = id)`
and `corAR1(form = ~ visit | id)` are `ar1(visit | id)`.
"""

from __future__ import annotations

import re

# Words, and the structure that is theirs.
_STRUCTURES = {
    "ar": "ar1", "AR": "ar1", "AR1": "ar1", "arma": "arma11", "ARMA": "arma11", "un": "unstr",
    "UN": "unstr", "corAR1": "ar1", "corCAR1": "ou", "car1": "ou", "corARMA": "arma11",
    "corCompSymm": "cosy",
    "corSymm": "unstr", "corExp": "ou", "exp": "ou", "pow": "ou", "ar1h": "hetar1", "ARH": "hetar1",
    "toeph": "toep", "TOEP": "toep", "csh": "cs", "CSH": "cs", "CS": "cosy", "compsymm": "cosy",
    "exchangeable": "cosy", "ante": "unstr", "ANTE": "unstr",
    **{own: own for own in ("ar1", "arma11", "ou", "unstr", "cosy", "toep", "hetar1")},
}  # fmt: skip
_OF_EFFECTS = {"unstr": "us", "cosy": "homcs"}  # names of effects where residuals have another
_SDS = 'residual sds that differ are a formula of their own, ["y ~ x", "sigma ~ 0 + {visit}"]'
_OTHERS = {
    **dict.fromkeys(("varIdent", "varPower", "varExp", "varFixed", "varFunc", "varComb"), _SDS),
    **dict.fromkeys(
        ("corGaus", "corSpher", "corRatio", "corLin", "gau", "mat", "sp", "sar", "car", "fcor"),
        "correlations of residuals in space are not offered; along time there is "
        'residual="ou({visit} | {group})"',
    ),
    "ma": "a moving average is offered beside an autoregression: "
    'residual="arma11({visit} | {group})"',
    "(": "effects of groups stand in the formula, y ~ x + (1 | {group}); equal correlations of "
    'residuals are residual="cosy({group})"',
    "~": 'leave out the `~`: residual="ar1({visit} | {group})"',
}  # fmt: skip
# Words that a formula has with arguments that no formula here could have.
_IN_FORMULAS = re.compile(r"\b(cor[A-Z]\w*|var(?:Ident|Power|Exp|Fixed|Comb))\s*\(")
_FORM = re.compile(r"~\s*(?P<visit>[\w.`]+)\s*\|\s*(?P<group>[\w.`:]+)")
_NAMED = re.compile(r"\b(?P<key>time|gr)\s*=\s*(?P<value>[\w.`:]+)")
_BAR = re.compile(r"\(\s*(?:0\s*\+\s*)?(?P<visit>[\w.`]+)\s*\|\s*(?P<group>[\w.`:]+)")


def way_of(word: str, text: str) -> str | None:
    """How a word of another package is said here, with the columns in the text; None if unknown."""
    names = {"visit": "visit", "group": "patient"}
    for pattern in (_BAR, _FORM):
        if found := pattern.search(text):
            names |= found.groupdict()
    named = {m["key"]: m["value"] for m in _NAMED.finditer(text)}
    names["visit"] = named.get("time", names["visit"])
    names["group"] = named.get("gr", names["group"])
    if names["visit"] == "1":
        names["visit"] = "visit"
    if word in _STRUCTURES:
        own = _STRUCTURES[word]
        return f'residual="{own}({names["group"]})"' if own == "cosy" else (
            f'residual="{own}({names["visit"]} | {names["group"]})"'
        )  # fmt: skip
    return _OTHERS[word].format(**names) if word in _OTHERS else None


def effects_of(word: str, text: str) -> str | None:
    """How effects of a structure of another package are said here; None where it has none."""
    own = _STRUCTURES.get(word)
    if own in (None, "arma11"):  # of residuals alone
        return None
    names = {"visit": "visit", "group": "g"}
    if found := _BAR.search(text):
        names |= found.groupdict()
    return f"write {_OF_EFFECTS.get(own, own)}({names['visit']} | {names['group']})"


def in_formula(text: str) -> tuple[int, int, str] | None:
    """Where a formula has nlme's residuals, and how these are said here; None where it has none."""
    found = _IN_FORMULAS.search(text)
    if found is None:
        return None
    way = way_of(found[1], text[found.start() :])
    return None if way is None else (*found.span(1), way)
