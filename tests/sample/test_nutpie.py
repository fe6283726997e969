"""What sample/nutpie.py relies on inside nutpie; a failure says what another version has changed.

That its own use of it is right, interrupts included, is for the tests beside this one.
"""

import inspect
from contextlib import suppress
from dataclasses import fields
from types import SimpleNamespace

import numba
import numpy as np
import nutpie
import pytest
from nutpie import _lib
from nutpie.compile_pymc import CompiledPyMCModel
from nutpie.compiled_pyfunc import from_pyfunc
from nutpie.sample import CompiledModel, _BackgroundSampler

from mixedbayes.jit import LOGP_SIGNATURE
from mixedbayes.sample import nutpie as ours

VERSION = f"nutpie {nutpie.__version__}"
SAMPLER = "settings cores model progress_type extra_callback extra_callback_rate store"

# Called by position: all parameters, in order.
POSITIONAL = {
    "_lib.LogpFunc": (_lib.LogpFunc, "ptr user_data_ptr keep_alive"),
    "_lib.ExpandFunc": (_lib.ExpandFunc, "dim expanded_dim ptr user_data_ptr keep_alive"),
    "_lib.PyMcModel": (
        _lib.PyMcModel,
        "density expand variables dim dim_sizes coords init_func transform_adapter",
    ),
    "_lib.PyVariable.new_variables": (
        _lib.PyVariable.new_variables, "names item_types shapes dim_sizes dims",
    ),
    "_lib.PySampler.from_pymc": (_lib.PySampler.from_pymc, SAMPLER),
    # what nutpie calls on a model: ours has the same method
    "CompiledModel._make_sampler": (
        CompiledPyMCModel._make_sampler,
        "self " + SAMPLER.replace("cores model", "init_mean cores"),
    ),
}  # fmt: skip
# Called by name: these parameters at least.
NAMED = {
    "sample": (
        nutpie.sample,
        "compiled_model draws tune chains cores seed adaptation progress_bar progress_callback "
        "return_raw_trace blocking kwargs",
    ),
    "_BackgroundSampler.wait": (_BackgroundSampler.wait, "timeout"),
    "_BackgroundSampler.abort": (_BackgroundSampler.abort, "self"),
    "compile_pymc_model": (nutpie.compile_pymc_model, "model backend var_names initial_points"),
    "CompiledPyMCModel.with_data": (CompiledPyMCModel.with_data, "self updates"),
    "from_pyfunc": (
        from_pyfunc,
        "ndim make_logp_fn make_expand_fn expanded_dtypes expanded_shapes expanded_names dims "
        "coords make_initial_point_fn",
    ),
}
FIELDS = {
    CompiledModel: {"dims", "reparameterized_names"},
    CompiledPyMCModel: {
        "compiled_logp_func", "initial_point_func", "shared_var_keys", "user_data",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", POSITIONAL)
def test_what_is_called_by_position(name):
    function, expected = POSITIONAL[name]
    found = list(inspect.signature(function).parameters)
    assert found == expected.split(), f"{VERSION}: the parameters of {name} have changed"


@pytest.mark.parametrize("name", NAMED)
def test_what_is_called_by_name(name):
    function, expected = NAMED[name]
    lost = set(expected.split()) - set(inspect.signature(function).parameters)
    assert not lost, f"{VERSION}: {name} lacks {', '.join(lost)}"


def test_fields_of_compiled_models():
    for kind, expected in FIELDS.items():
        lost = expected - {f.name for f in fields(kind)}
        assert not lost, f"{VERSION}: {kind.__name__} lacks {', '.join(lost)}"
    without = {f.name for f in fields(CompiledModel) if not f.kw_only}
    assert without == {"dims"}, f"{VERSION}: a CompiledModel is made from {without}, not from dims"


@pytest.mark.parametrize("trajectory", ["turns", "quarter_turn"])
def test_settings_of_trajectories_are_taken(trajectory):
    settings = _lib.PyNutsSettings.Diag(1)
    settings.update({"target_accept": 0.77, "maxdepth": 7, "num_tune": 33})
    before = settings.as_dict()["settings"]
    steps = before["adapt_options"]["step_size_settings"]
    found = (steps["target_accept"], before["maxdepth"], before["num_tune"], before["seed"])
    assert found == (0.77, 7, 33, 1), f"{VERSION}: sample() sets other settings than it is given"
    assert steps["adapt_options"]["method"] == "DualAverage", f"{VERSION}: step sizes adapt anew"
    try:
        asked = ours._along(trajectory, before)
        settings.update_settings(asked)
    except (KeyError, ValueError) as error:
        pytest.fail(f"{VERSION}: settings of trajectories are not taken: {error!r}")
    after = settings.as_dict()["settings"]
    assert after == asked, f"{VERSION}: settings of trajectories are not kept as they are given"
    assert asked.keys() == before.keys(), f"{VERSION}: no setting trajectory_kind or maxdepth"


def test_an_unknown_trajectory_would_be_refused():
    settings = _lib.PyNutsSettings.Diag(1)
    given = settings.as_dict()["settings"] | {"trajectory_kind": "NoSuchKind"}
    with pytest.raises(ValueError, match="NoSuchKind"):
        settings.update_settings(given)


def run(logp_grad, draws, **others):
    """nutpie's own run on a Python density of two coordinates."""
    model = from_pyfunc(
        2,
        lambda: logp_grad,
        lambda *_: lambda theta: {"theta": theta},
        [np.dtype(float)],
        [(2,)],
        ["theta"],
        dims={"theta": ("theta_dim",)},
        coords={"theta_dim": np.arange(2)},
        make_initial_point_fn=lambda seed: np.array([0.3, -0.2]),
    )
    return nutpie.sample(
        model, draws=draws, tune=30, chains=2, cores=1, seed=1, maxdepth=8, progress_bar=False,
        return_raw_trace=True, blocking=False, **others,
    )  # fmt: skip


def normal(theta):
    return -0.5 * float(theta @ theta), -theta


def test_draws_and_statistics():
    draws, stats = run(normal, 20).wait(timeout=None).get_arrow_trace()
    assert [b.num_rows for b in (*draws, *stats)] == [50] * 4, f"{VERSION}: not a row for each draw"
    wanted = {"tuning", *(ours._NUTPIE.get(name, name) for name in ours.STATS)}
    lost = wanted - set(stats[0].column_names)
    assert not lost, f"{VERSION}: no statistics {', '.join(lost)}"
    column = {name: ours._column(stats[1], name) for name in wanted}
    theta = ours._column(draws[1], "theta")
    assert theta.shape == (50, 2), f"{VERSION}: a draw's shape is not in its column's metadata"
    logp = [normal(t)[0] for t in theta]
    np.testing.assert_allclose(column["logp"], logp, err_msg=f"{VERSION}: logp is of other draws")
    tuning = np.arange(50) < 30
    np.testing.assert_array_equal(column["tuning"], tuning, f"{VERSION}: tuning comes not first")
    flags = {n for n, x in column.items() if x.dtype == bool}
    assert flags == {"tuning", "diverging", "maxdepth_reached"}, f"{VERSION}: other flags"
    assert (column["n_steps"] >= 1).all(), f"{VERSION}: draws without steps"


def test_waiting_progress_and_abort():
    """The wait ends in time, the callback has the counts, and an aborted run keeps its draws."""
    seen = []
    sampler = run(normal, 10**6, progress_callback=lambda chains: seen.append(chains))
    for _ in range(100):
        with pytest.raises(TimeoutError):
            sampler.wait(timeout=0.1)
        if seen and seen[-1][0].finished_draws:
            break
    draws, _ = sampler.abort().get_arrow_trace()
    rows = max(b.num_rows for b in draws)
    assert 0 < rows < 10**6, f"{VERSION}: abort keeps {rows} draws"
    assert seen, f"{VERSION}: the progress callback is never called"
    display = SimpleNamespace(update=lambda *counts, tuning: shown.append((*counts, tuning)))
    shown = []
    ours._report(display, seen[-1])
    done, divergences, tuning = shown[0]
    assert (divergences, type(tuning)) == (0, bool), f"{VERSION}: other fields of ChainProgress"
    assert done <= 10**6 + 30


@numba.cfunc(LOGP_SIGNATURE)
def nowhere(n, theta, gradient, value, data):
    for i in range(n):
        gradient[i] = np.nan
    value[0] = np.nan
    return 0


def test_a_density_that_is_nowhere_finite_is_a_runtime_error_or_a_panic():
    target = ours.density_target(
        ours.CDensity(nowhere.address, 0, nowhere, normal), 2, lambda seed: np.ones(2), "theta",
        "leapfrog",
    )  # fmt: skip
    sampler = nutpie.sample(
        target.compiled, draws=20, tune=30, chains=1, cores=1, seed=1, progress_bar=False,
        return_raw_trace=True, blocking=False,
    )  # fmt: skip
    found = None
    try:
        sampler.wait(timeout=None)
    except BaseException as error:
        found = error
    with suppress(BaseException):
        sampler.abort()
    panic = type(found).__module__ == "pyo3_runtime"
    assert panic or isinstance(found, RuntimeError), f"{VERSION}: raises {found!r} where it failed"
    assert ours._first_line(found) != ".", f"{VERSION}: its errors say nothing"
