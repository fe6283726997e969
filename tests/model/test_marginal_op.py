"""The marginal likelihood in PyTensor: values, gradients, samplers."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from dense_marginal import value_and_grad_reference
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.link.numba.dispatch.basic import numba_funcify_and_cache_key

from mixedbayes.errors import ModelError
from mixedbayes.marginal.kernel import value_and_grad
from mixedbayes.marginal.problem import build_problem
from mixedbayes.model.marginal_op import MarginalLogp, marginal_logp


def simulated(seed=0, n=60, response=1.0):
    """Two crossed factors, one with correlated slopes, and one sampled coefficient."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    Z = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = rng.normal(size=n) * response
    factors = [(rng.integers(0, 7, n), Z), (rng.integers(0, 5, n), X[:, :1])]
    return build_problem(
        y,
        X,
        [(refs, z, int(refs.max()) + 1) for refs, z in factors],
        prior_mean=np.zeros(2),
        prior_precision=np.eye(2) * 0.1,
        X_sampled=rng.normal(size=(n, 1)),
    )


L1 = np.array([[0.8, 0.0], [0.3, 0.5]])
POINT = (L1, np.array([[0.6]]), 1.3, np.array([0.4]))


@pytest.fixture(scope="module")
def graph():
    problem = simulated()
    variables = pt.dmatrix("L1"), pt.dmatrix("L2"), pt.dscalar("sigma"), pt.dvector("v")
    a, b, sigma, v = variables
    logp = marginal_logp(problem, [a, b], sigma, v)
    return problem, variables, logp, pytensor.grad(logp, list(variables))


@pytest.mark.parametrize("mode", ["NUMBA", "FAST_COMPILE"])
def test_value_and_gradient_are_those_of_the_dense_reference(graph, mode):
    problem, variables, logp, gradients = graph
    function = pytensor.function(variables, [logp, *gradients], mode=mode)
    value, *found = function(*POINT)
    expected, dL, dsigma, dv = value_and_grad_reference(problem, POINT[:2], *POINT[2:])
    assert value == pytest.approx(expected, rel=1e-10)
    for a, b in zip(found, [*dL, dsigma, dv], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_gradient_flows_through_the_parameters(graph):
    problem, variables, logp, _ = graph
    value, flat = pytensor.function(variables, logp, mode="FAST_COMPILE"), pt.dvector("flat")
    L = pt.set_subtensor(pt.zeros((2, 2))[np.tril_indices(2)], flat[:3])
    moved = marginal_logp(problem, [L, flat[3:4].reshape((1, 1))], flat[4] ** 2, flat[5:])
    slopes = pytensor.function([flat], pytensor.grad(moved, flat), mode="FAST_COMPILE")
    x = np.array([0.8, 0.3, 0.5, 0.6, 1.3, 0.4])

    def at(x):
        return value(np.array([[x[0], 0], [x[1], x[2]]]), x[3:4, None], x[4] ** 2, x[5:])

    differences = [(at(x + h) - at(x - h)) / 2e-5 for h in 1e-5 * np.eye(6)]
    np.testing.assert_allclose(slopes(x), differences, rtol=1e-6, atol=1e-6)


def test_upper_triangles_are_ignored(graph):
    _, variables, logp, _ = graph
    value = pytensor.function(variables, logp, mode="FAST_COMPILE")
    full = L1 + np.array([[0, 5.0], [0, 0]])
    assert value(full, *POINT[1:]) == value(*POINT)


def test_sigma_that_is_not_positive_is_minus_infinity(graph):
    _, variables, logp, gradients = graph
    both = pytensor.function(variables, [logp, *gradients], mode="FAST_COMPILE")
    value, *slopes = both(L1, POINT[1], -1.0, POINT[3])
    assert value == -np.inf
    assert not any(np.any(s) for s in slopes)


def test_compiled_code_serves_other_data():
    """Equal operations have equal cache keys; the data are inputs, not part of the code."""
    keys, graphs = [], []
    for seed in (1, 2):
        logp = marginal_logp(
            simulated(seed), [pt.dmatrix(), pt.dmatrix()], pt.dscalar(), pt.dvector()
        )
        [node] = [
            n
            for n in pytensor.graph.traversal.ancestors([logp])
            if n.owner and isinstance(n.owner.op, MarginalLogp)
        ]
        graphs.append(node.owner)
        keys.append(numba_funcify_and_cache_key(node.owner.op, node=node.owner)[1])
    assert keys[0] == keys[1]
    assert keys[0] is not None
    assert graphs[0].op == graphs[1].op


def test_shapes_are_known_without_evaluation(graph):
    _, _, logp, _ = graph
    gradient = logp.owner.outputs[1]
    shape = rewrite_graph(gradient.shape, include=("ShapeOpt", "canonicalize"))
    ops = {type(v.owner.op) for v in pytensor.graph.traversal.ancestors([shape]) if v.owner}
    assert MarginalLogp not in ops


def test_second_derivatives_are_refused(graph):
    _, (_, _, sigma, _), logp, _ = graph
    slope = pytensor.grad(logp, sigma)
    with pytest.raises(pytensor.gradient.NullTypeGradError, match="second derivatives"):
        pytensor.grad(slope, sigma)


def test_wrong_inputs_are_errors():
    problem = simulated()
    with pytest.raises(ModelError, match="1 factors L given for 2"):
        marginal_logp(problem, [pt.dmatrix()], pt.dscalar(), pt.dvector())
    with pytest.raises(ModelError, match="1 sampled coefficients"):
        marginal_logp(problem, [pt.dmatrix(), pt.dmatrix()], pt.dscalar())
    with pytest.raises(ModelError, match="2, 1 and 1 dimensions"):
        MarginalLogp()(pt.dmatrix(), pt.lvector(), pt.dvector())


# --- samplers, on a model with two parameters whose posterior is known by quadrature


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(5)
    refs = np.repeat(np.arange(12), 6)
    y = 2 + rng.normal(size=12)[refs] * 0.8 + rng.normal(size=72)
    ones = np.ones((72, 1))
    problem = build_problem(
        y, ones, [(refs, ones, 12)], prior_mean=np.zeros(1), prior_precision=np.eye(1) * 0.01
    )
    with pm.Model() as model:
        sd, sigma = pm.Exponential("sd", 1.0), pm.Exponential("sigma", 1.0)
        pm.Potential("likelihood", marginal_logp(problem, [sd.reshape((1, 1))], sigma))
    return model, problem


@pytest.fixture(scope="module")
def posterior_means(model):
    grid = [np.linspace(0.01, 4, 160), np.linspace(0.5, 2, 120)]
    weights = np.array(
        [
            [value_and_grad(model[1], [np.array([[a]])], b)[0] - a - b for b in grid[1]]
            for a in grid[0]
        ]
    )
    weights = np.exp(weights - weights.max())
    weights /= weights.sum()
    return {"sd": weights.sum(1) @ grid[0], "sigma": weights.sum(0) @ grid[1]}


@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_samplers_find_the_posterior(model, posterior_means, sampler):
    with model[0]:
        idata = pm.sample(
            draws=600, tune=400, chains=2, cores=1, random_seed=3, progressbar=False,
            nuts_sampler=sampler, compute_convergence_checks=False,
        )  # fmt: skip
    for name, mean in posterior_means.items():
        draws = idata.posterior[name].to_numpy()
        standard_error = draws.std() / np.sqrt(draws.size / 4)  # at least a quarter is effective
        assert abs(draws.mean() - mean) < 4 * standard_error


def test_find_map_climbs_to_the_highest_density(model):
    value = model[0].compile_logp(jacobian=False, mode="FAST_COMPILE")
    with model[0]:
        idata = pm.find_MAP(progressbar=False, return_inferencedata=True, jitter=False)
    posterior = idata.posterior
    top = {f"{name}_log__": np.log(posterior[name].to_numpy().squeeze()) for name in posterior}
    for name in top:
        for step in (-0.05, 0.05):
            assert value({**top, name: top[name] + step}) < value(top)
