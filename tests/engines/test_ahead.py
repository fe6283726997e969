"""What a first fit compiles in this process, it compiles while another one compiles the kernels."""

from itertools import dropwhile

import pytest

import mixedbayes as mb
from mixedbayes import jit
from mixedbayes.marginal import evaluate
from mixedbayes.quadrature import kernel

SMALL = {"draws": 20, "tune": 100, "chains": 2, "seed": 1, "progress": False}
CASES = {
    "marginal": (evaluate.density, "Reaction ~ Days + (1 | Subject)", "sleepstudy", {}),
    "quadrature": (
        kernel.density,
        "incidence | trials(size) ~ period + (1 | herd)",
        "cbpp",
        {"family": "binomial", "formulation": mb.Quadrature()},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_nobody_is_waited_for_before_the_density_is_compiled(name, monkeypatch):
    density, formula, data, options = CASES[name]
    calls, address, ready = [], jit.address, type(density).ready

    def asked(function, signature):
        calls.append("address of a kernel")
        return address(function, signature)

    def compiled(self):
        if self is density:
            calls.append("density")
        ready(self)

    monkeypatch.setattr(jit, "ahead", lambda *_: calls.append("another process"))
    monkeypatch.setattr(jit, "address", asked)
    monkeypatch.setattr(type(density), "ready", compiled)
    mb.fit(formula, mb.load_data(data), **options, **SMALL)
    begun = calls[calls.index("another process") :]
    after = [*dropwhile(lambda call: call == "another process", begun)]
    assert after[0] == "density"
    assert "address of a kernel" in after
