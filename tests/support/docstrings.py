"""The examples of docstrings: each object's own, run by themselves, with fits that are shared.

Every docstring's examples start from nothing, as a reader would paste them, so that the same few
models are fitted again and again: the second time the first fit is taken. What is printed is that
of the docstring where its words are the same and its numbers are within Monte Carlo error, since
draws are not the same to the last bit on all machines.
"""

import doctest
import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd

import mixedbayes as mb

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# Of examples whose whole numbers are rounded estimates, `# doctest: +ESTIMATES`, not counts.
ESTIMATES = doctest.register_optionflag("ESTIMATES")
NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?"
_PLACE = re.compile(rf"({NUMBER})|(\.\.\.)|(\s+)")
# Counts are exact, but for those of effective draws, which are larger.
MOST_COUNTED = 300
COUNT_WITHIN, WITHIN = 0.3, 0.1
SHARE_WITHIN = 0.02  # of what is below 1, as probabilities are


def close(text: str, wanted: str, estimates: bool = False) -> bool:
    """Whether one number is the other, but for what draws of another machine may change."""
    got, want = (float(t.replace(",", "")) for t in (text, wanted))
    if re.fullmatch(r"[-+]?[\d,]+", wanted) and "." not in text and not estimates:
        return got == want or (
            min(abs(got), abs(want)) > MOST_COUNTED and abs(got - want) <= COUNT_WITHIN * abs(want)
        )
    mantissa, _, power = wanted.partition("e")
    digits = len(mantissa.partition(".")[2])
    unit = 10.0 ** (int(power or 0) - digits)
    share = SHARE_WITHIN if abs(want) < 1 else 0.0
    return abs(got - want) <= max(WITHIN * abs(want) + 3 * unit, share)


class Checker(doctest.OutputChecker):
    """Words as they are, numbers within Monte Carlo error."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        if super().check_output(want, got, optionflags):
            return True
        pattern, numbers, end = "", [], 0
        want, got = want.replace("<BLANKLINE>", "").strip(), got.strip()
        for found in _PLACE.finditer(want):
            pattern += re.escape(want[end : found.start()])
            number, dots, _ = found.groups()
            pattern += f"({NUMBER})" if number else ".*?" if dots else r"\s+"
            numbers += [number] if number else []
            end = found.end()
        match = re.fullmatch(pattern + re.escape(want[end:]), got, re.DOTALL)
        how = bool(optionflags & ESTIMATES)
        return match is not None and all(
            close(g, w, how) for g, w in zip(match.groups(), numbers, strict=True)
        )


def examples(name: str, doc: str | None) -> doctest.DocTest | None:
    """The examples of a docstring; None where there are none."""
    test = doctest.DocTestParser().get_doctest(inspect.cleandoc(doc or ""), {}, name, None, 0)
    return test if test.examples else None


def runs(test: doctest.DocTest) -> list[doctest.Example]:
    """The examples that are run."""
    return [e for e in test.examples if not e.options.get(doctest.SKIP)]


class _Fits:
    """`mixedbayes.fit` that remembers what it fitted."""

    def __init__(self, fit: Any) -> None:
        self.fit, self.kept = fit, {}

    def __call__(self, formula: Any, data: Any, **settings: Any) -> Any:
        if not isinstance(data, pd.DataFrame):
            return self.fit(formula, data, **settings)
        rows = pd.util.hash_pandas_object(data).sum()
        key = (str(formula), tuple(data.columns), int(rows), repr(sorted(settings.items())))
        if " at 0x" in repr(key):
            return self.fit(formula, data, **settings)
        if key not in self.kept:
            self.kept[key] = self.fit(formula, data, **settings)
        return self.kept[key]


@contextmanager
def shared_fits() -> Iterator[None]:
    """Fits of the same formula, data and settings are made once."""
    real = mb.fit
    mb.fit = _Fits(real)
    try:
        with pd.option_context("display.width", 96, "display.max_columns", 30):
            yield
    finally:
        mb.fit = real


def failures(name: str, doc: str | None) -> str:
    """What is wrong with the examples of a docstring, in words; empty where nothing is."""
    test = examples(name, doc)
    if test is None:
        return ""
    said: list[str] = []
    runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=FLAGS)
    runner.run(test, out=said.append)
    return "".join(said)
