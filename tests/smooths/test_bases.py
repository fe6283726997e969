"""Bases and penalties of smooths against mgcv, SciPy, integrals and closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad_vec
from scipy.interpolate import RBFInterpolator

from mixedbayes.errors import DataError
from mixedbayes.smooths.curve import Curve
from mixedbayes.smooths.registry import BASES
from mixedbayes.smooths.space import Single, Tensor
from mixedbayes.smooths.thin_plate import _largest, distances, null_powers, radial

rng = np.random.default_rng(2)
X = np.sort(rng.uniform(3, 9, 60))[:, None]


def posterior(X, blocks, sds, y, sigma):
    """Mean and covariance of all coefficients, those of X flat: Henderson's equations."""
    B = np.column_stack([X, *blocks])
    shrunk = [np.full(Z.shape[1], (sigma / sd) ** 2) for Z, sd in zip(blocks, sds, strict=True)]
    G = np.linalg.inv(B.T @ B + np.diag(np.concatenate([np.zeros(X.shape[1]), *shrunk])))
    return B, G @ B.T @ y, sigma**2 * G


def check(B, b, V, expected, tolerance):
    """Fitted values and their standard errors."""
    np.testing.assert_allclose(B @ b, expected["fitted"], rtol=0, atol=tolerance)
    se = np.sqrt(np.einsum("ij,jk,ik->i", B, V, B))
    np.testing.assert_allclose(se, expected["se"], rtol=0, atol=tolerance)


def within(groups, Z):
    """Columns Z (n, r) in each group by themselves."""
    codes = np.unique(groups, return_inverse=True)[1]
    own = np.eye(codes.max() + 1)[codes]
    return (own[:, :, None] * Z[:, None, :]).reshape(len(Z), -1)


# ---- mgcv ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bs", ["tp", "cr"])
def test_curves_given_the_variances_are_those_of_mgcv(reference, bs):
    data = reference("mgcv_smooths")["mcycle"]
    x, y = np.array(data["times"])[:, None], np.array(data["accel"])
    basis = BASES[bs].fit(x, 20)
    curve = Curve.fit(Single(basis), x)
    at = np.array(data[bs]["at"])[:, None]
    there = np.column_stack([np.ones(len(at)), curve.null(at), *curve.blocks(at)])
    for pair in data[bs]["pairs"]:
        # of mgcv's functions, whose penalty is the integral in units of x, divided by a number
        sd = pair["sd"] * np.sqrt(data[bs]["penalty_scale"]) * basis.unit**1.5 * curve.units[0]
        ours = np.column_stack([np.ones(len(x)), curve.null(x)])
        _, b, V = posterior(ours, curve.blocks(x), [sd], y, pair["sigma"])
        check(there, b, V, pair, 1e-6)


@pytest.fixture(scope="module")
def curves(reference):
    data = reference("mgcv_smooths")["curves"]
    time = np.array(data["time"])[:, None]
    basis = BASES["tp"].fit(time, 10)
    return data, time, basis, Curve.fit(Single(basis), time)


def test_a_curve_by_factor_is_that_of_mgcv(curves):
    data, time, basis, curve = curves
    second = (np.array(data["arm"]) == "b")[:, None]
    N, (Z,) = curve.null(time), curve.blocks(time)
    X = np.column_stack([np.ones(len(N)), second, N * ~second, N * second])
    ids = within(data["id"], np.ones((len(N), 1)))
    own = data["by_factor"]
    sds = np.array(own["sd"]) * [*[basis.unit**1.5 * curve.units[0]] * 2, 1.0]
    B, b, V = posterior(X, [Z * ~second, Z * second, ids], sds, np.array(data["y"]), own["sigma"])
    check(B[::5], b, V, own["every_fifth_row"], 1e-6)


def test_a_curve_of_each_level_is_that_of_mgcv(curves):
    data, time, basis, curve = curves
    six = BASES["tp"].fit(time, 6)
    each, own, y = Curve.fit(Single(six), time), data["fs"], np.array(data["y"])
    (Z,), x = curve.blocks(time), (time - time.mean()) / time.std()
    units = np.array([basis.unit**1.5 * curve.units[0], six.unit**1.5 * each.units[0], 1.0, 1.0])
    # mgcv's axes of the null space, level and slope, are turned by what rounding errors make
    turn, X = -1.3979819128, np.column_stack([np.ones(len(x)), curve.null(time)])
    level, slope = np.cos(turn) - np.sin(turn) * x, np.cos(turn) * x + np.sin(turn)
    blocks = [Z, *(within(data["id"], part) for part in (*each.blocks(time), slope, level))]
    B, b, V = posterior(X, blocks, np.array(own["sd"]) * units, y, own["sigma"])
    check(B[::5], b, V, own["every_fifth_row"], 1e-6)


@pytest.fixture(scope="module")
def surface(reference):
    data = reference("mgcv_smooths")["surface"]
    xz = np.column_stack([data["x"], data["z"]])
    margins = [BASES["cr"].fit(xz[:, [k]], 5) for k in (0, 1)]
    return data, xz, margins


def test_penalised_products_are_those_of_mgcv(surface):
    """Its null functions of a margin are 1 and a line that rounding errors choose, found here."""
    data, xz, margins = surface
    found = [([1.0, -0.0624270439], [0.0, np.exp(-0.1485309593)]),
             ([1.0, -0.0537068328], [0.0, np.exp(-0.1564317924)])]  # fmt: skip
    tensor = Tensor.fit(margins, xz)
    P = [m.penalised(xz[:, [k]]) for k, m in enumerate(margins)]
    N = [m.null(xz[:, [k]]) / tensor.units[k] @ np.array(found[k]) for k, m in enumerate(margins)]
    products = [(a[:, :, None] * b[:, None, :]).reshape(len(xz), -1)
                for a, b in ((P[0], P[1]), (N[0], P[1]), (P[0], N[1]))]  # fmt: skip
    own, groups = data["t2"], within(data["g"], np.ones((len(xz), 1)))
    units = [1.0 / np.prod([np.sqrt(np.mean(p**2)) for p in pair]) for pair in (P, P[1:], P[:1])]
    scale = np.exp([0.0, 0.0676535865, 0.0712906538]) * units
    B, b, V = posterior(
        tensor.null(xz), [*products, groups], [*(np.array(own["sd"][:3]) * scale), own["sd"][3]],
        np.array(data["y"]), own["sigma"],
    )  # fmt: skip
    check(B[::5], b, V, own["every_fifth_row"], 1e-6)


def test_a_surface_is_near_that_of_mgcv(surface):
    data, xz, margins = surface
    tensor, own = Tensor.fit(margins, xz), data["t2"]
    blocks = [Z / np.sqrt(np.mean(Z**2)) for Z in tensor.blocks(xz)]
    assert [Z.shape[1] for Z in blocks] == [6, 6, 9]
    assert tensor.block_names(["x", "z"]) == ("x", "z", "x, z")
    assert tensor.null_names(["x", "z"]) == ("z", "x", "x:z")
    rr, nr, rn, g = own["sd"]
    y, groups = np.array(data["y"]), within(data["g"], np.ones((len(xz), 1)))
    B, b, _ = posterior(tensor.null(xz), [*blocks, groups], [rn, nr, rr, g], y, own["sigma"])
    off = np.abs(B[::5] @ b - own["every_fifth_row"]["fitted"])
    assert np.max(off / own["every_fifth_row"]["se"]) < 0.2


# ---- penalties -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bs", ["tp", "cr", "cc"])
def test_the_penalty_is_the_integral_of_squared_second_derivatives(bs):
    basis = BASES[bs].fit(X, 8)
    u = rng.normal(size=basis.values.shape[1])
    low, high = basis.knots[[0, -1]]

    def squared(z):
        return float((basis._spline(z, 2) @ u) ** 2)

    found = quad_vec(squared, low, high, points=basis.knots, epsabs=1e-9)[0]
    assert found == pytest.approx(u @ u, rel=1e-6)


def test_the_penalty_of_p_splines_is_that_of_second_differences():
    basis = BASES["ps"].fit(X, 9)
    differences = np.diff(basis.coefficients, 2, axis=0)
    np.testing.assert_allclose(differences.T @ differences, np.eye(7), atol=1e-8)


@pytest.mark.parametrize("bs", BASES)
def test_the_null_space_costs_nothing(bs):
    """Nothing that is penalised is in it: null space and functions are independent columns."""
    basis = BASES[bs].fit(X, 8)
    columns = np.column_stack([basis.null(X), basis.penalised(X)])
    assert columns.shape[1] == (7 if bs == "cc" else 8)
    size = np.linalg.norm(columns, axis=0)
    assert np.linalg.matrix_rank(columns / size) == columns.shape[1]


def test_thin_plates_of_two_variables_smooth_as_scipy_does():
    """With every point a knot the posterior mean is that of radial functions with smoothing."""
    xy, y = rng.normal(size=(40, 2)) * [1.0, 3.0] + 5, rng.normal(size=40)
    basis = BASES["tp"].fit(xy, 40)
    sigma, sd = 0.8, 0.05
    B, b, _ = posterior(basis.null(xy), [basis.penalised(xy)], [sd], y, sigma)
    smoothing = 8 * np.pi * (sigma / sd) ** 2
    other = RBFInterpolator(xy, y, kernel="thin_plate_spline", degree=1, smoothing=smoothing)
    np.testing.assert_allclose(B @ b, other(xy), atol=1e-8)
    new = rng.normal(size=(7, 2)) + 4
    there = np.column_stack([basis.null(new), basis.penalised(new)])
    np.testing.assert_allclose(there @ b, other(new), atol=1e-8)


def test_the_order_of_the_penalty_follows_the_number_of_variables():
    assert null_powers(1) == ((0,), (1,))
    assert null_powers(2) == ((0, 0), (1, 0), (0, 1))
    assert len(null_powers(3)) == 10
    assert [BASES["tp"].size(d) for d in (1, 2, 3)] == [10, 30, 110]


def test_the_largest_eigenvalues_of_many_points():
    E = radial(distances(np.linspace(0, 1, 420)[:, None], np.linspace(0, 1, 420)[:, None]), 1)
    vectors, values = _largest(E, 8)
    every = np.linalg.eigvalsh(E)
    np.testing.assert_allclose(np.sort(np.abs(values)), np.sort(np.abs(every))[-8:], rtol=1e-9)
    np.testing.assert_allclose(E @ vectors, vectors * values, atol=1e-9)


# ---- beyond the data -----------------------------------------------------------------------------


@pytest.mark.parametrize("bs", ["tp", "cr", "ps"])
def test_curves_are_straight_beyond_the_data(bs):
    basis = BASES[bs].fit(X, 8)
    far = np.array([-20.0, -10.0, 0.0, 20.0, 30.0, 40.0])[:, None]
    P = basis.penalised(far)
    np.testing.assert_allclose(np.diff(P[:3], 2, axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(P[3:], 2, axis=0), 0, atol=1e-6)
    edge = np.array([[X.max() - 1e-6], [X.max() + 1e-6]])
    assert np.ptp(basis.penalised(edge), axis=0).max() < 1e-3


def test_a_cyclic_curve_repeats():
    basis = BASES["cc"].fit(X, 8, [2.0, 10.0])
    P = basis.penalised(np.array([2.0, 10.0, 18.0, -6.0, 3.5, 11.5])[:, None])
    np.testing.assert_allclose(P[1:4], P[[0, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(P[5], P[4], atol=1e-12)
    step = 1e-4
    near = basis.penalised(np.array([2.0, 2 + step, 10 - step, 10.0])[:, None])
    np.testing.assert_allclose(near[1] - near[0], near[3] - near[2], atol=1e-6)
    assert basis.null(X).shape[1] == 1


def test_knots_are_where_they_are_put():
    basis = BASES["cr"].fit(X, 4, [3.0, 5.0, 6.0, 9.0])
    np.testing.assert_allclose(basis.knots * basis.unit + basis.centre, [3.0, 5.0, 6.0, 9.0])


# ---- a curve over rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("bs", BASES)
def test_what_bends_is_orthogonal_to_what_does_not(bs):
    curve = Curve.fit(Single(BASES[bs].fit(X, 8)), X)
    (Z,), N = curve.blocks(X), curve.null(X)
    np.testing.assert_allclose(N.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(N.T @ Z / len(X), 0, atol=1e-8)
    assert np.mean(np.sum(Z**2, axis=1)) == pytest.approx(1)


def test_a_curve_times_a_number_is_orthogonal_to_the_number():
    by = rng.normal(size=len(X))
    curve = Curve.fit(Single(BASES["tp"].fit(X, 8)), X, by)
    (Z,), N = curve.blocks(X), curve.space.null(X)
    np.testing.assert_allclose((by[:, None] * N).T @ (by[:, None] * Z), 0, atol=1e-7)


@pytest.mark.parametrize("bs", BASES)
def test_a_far_origin_changes_nothing(bs):
    x = np.round(X, 3)
    near, far = (Curve.fit(Single(BASES[bs].fit(x + c, 6)), x + c) for c in (0.0, 1e9))
    a, b = (c.blocks(x + o)[0] for c, o in ((near, 0.0), (far, 1e9)))
    np.testing.assert_allclose(a @ a.T, b @ b.T, atol=1e-5)


@pytest.mark.parametrize("bs", BASES)
def test_too_few_values(bs):
    with pytest.raises(DataError, match=r"and there (is|are) "):
        BASES[bs].fit(np.zeros((20, 1)), 6)
    with pytest.raises(ValueError, match="or more"):
        BASES[bs].fit(X, 2)


def test_points_on_a_line_have_no_surface():
    x = np.linspace(0, 1, 30)
    with pytest.raises(DataError, match="lie on a line"):
        BASES["tp"].fit(np.column_stack([x, 2 * x]), 10)


def test_a_period_holds_all_values():
    with pytest.raises(DataError, match=r"values lie outside: from .* write knots=\[low, high\]"):
        BASES["cc"].fit(X, 6, [4.0, 10.0])
