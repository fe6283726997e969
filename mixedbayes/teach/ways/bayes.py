"""The Bayesian form: a PyMC model, and its log density added up by hand."""

from __future__ import annotations

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.model.spec import Spec
from mixedbayes.teach.ways.code import lines
from mixedbayes.teach.ways.context import Context, Factor
from mixedbayes.teach.ways.pymc_code import pymc_code, sd_name


def bayesian(c: Context, spec: Spec) -> str:
    """The model, its log density at the values of `setup`, and the sum of its parts."""
    return lines(
        "import pymc as pm",
        "import pytensor.tensor as pt",
        "",
        "def build():",
        [f"    {line}" for line in pymc_code(spec).splitlines()],
        "    return pymc_model",
        "",
        "pymc_model = build()",
        "",
        "# at one value of every parameter the log density is a number",
        [line for f in c.factors for line in _split(f, spec)],
        "values = {",
        [f"    {line}," for line in _values(c, spec)],
        "}",
        "point = {}  # on the scales in which PyMC samples",
        "for variable in pymc_model.free_RVs:",
        "    value, own = values[variable.name], pymc_model.rvs_to_values[variable].name",
        "    transform = pymc_model.rvs_to_transforms[variable]",
        "    if transform is not None:",
        "        value = transform.forward(pt.as_tensor(value), *variable.owner.inputs).eval()",
        "    point[own] = value",
        'left = pymc_model.compile_logp(jacobian=False, mode="FAST_COMPILE")(point)',
        "",
        "# which is the sum of the parts' log densities",
        "priors = model.spec.priors",
        "right = stats.norm(mu, sigma).logpdf(y).sum()",
        'right += priors.parameters["sigma"].prior.logpdf(sigma)',
        _population(c, spec),
        [line for f in c.factors for line in _group(f)],
    )


def _split(f: Factor, spec: Spec) -> list[str]:
    """Psi = D R D, R = C C', and the effects in units of it; where the priors are placed."""
    t, out, psi, effects = f.tag, [], f"Psi_{f.tag}", f"gamma_{f.tag}"
    placement = spec.priors.mu.placed.get(f.g.name)
    if placement is not None:
        out = [
            "# at the columns' means, where the priors are: gamma = T gamma'",
            f"T_{t} = model.spec.priors.mu.placed[{f.g.name!r}].T",
            f"back_{t} = np.linalg.inv(T_{t})",
        ]
        psi, effects = f"(back_{t} @ {psi} @ back_{t}.T)", f"({effects} @ back_{t}.T)"
    return [
        *out,
        f"S_{t} = {psi}",
        f"sd_{t} = np.sqrt(np.diag(S_{t}))",
        f"R_{t} = S_{t} / np.outer(sd_{t}, sd_{t})",
        f"u_{t} = {effects} @ np.linalg.inv(np.linalg.cholesky(S_{t})).T",
    ]


def _values(c: Context, spec: Spec) -> list[str]:
    mu, priors = spec.design.mu, spec.priors.mu
    name = "fixef" if priors.population is None else names.at_means("fixef")
    kinds = {type(a.prior) for a in priors.fixef}
    out = _vector_values(name, len(mu.terms), _slopes(spec), kinds)
    if priors.intercept is not None:
        if mu.terms and priors.intercept_at_means:
            out.append('"Intercept_at_means": X.mean(axis=0) @ beta')
        else:
            out.append('"Intercept": beta[0]')
    for f in c.factors:
        t = f.tag
        kinds = {type(a.prior) for a in priors.sd[f.g.name]}
        name = sd_name(f.g, priors)
        out += _vector_values(name, len(f.g.terms), f"sd_{t}", kinds)
        out += [f'"{name}": {value}' for name, value in _factors(f)]
        out.append(f'"u_{t}": u_{t}')
    return [*out, '"sigma": sigma']


def _slopes(spec: Spec) -> str:
    """The slopes that the priors are about."""
    at_zero = "beta[1:]" if spec.design.mu.intercept else "beta"
    if spec.priors.mu.population is None:
        return at_zero
    return f"model.spec.priors.mu.population.inverse @ {at_zero}"


def _vector_values(name: str, size: int, value: str, kinds: set[type]) -> list[str]:
    """A vector's value, or its elements' where their priors are of several kinds."""
    if not size:
        return []
    if len(kinds) == 1:
        return [f'"{name}": {value}']
    return [f'"{name}_{k}": {value}[{k}]' for k in range(size)]


def _blocks(g: GroupDesign) -> list[tuple[int, ...]]:
    return [b for b in g.blocks if len(b) > 1]


def _factors(f: Factor) -> list[tuple[str, str]]:
    """Name and value of each correlated block's Cholesky factor."""
    blocks, t = _blocks(f.g), f.tag
    if len(blocks) == 1 and len(blocks[0]) == len(f.g.terms):
        return [(f"C_{t}", f"np.linalg.cholesky(R_{t})")]
    return [
        (f"C_{t}_{k}", f"np.linalg.cholesky(R_{t}[np.ix_({list(b)}, {list(b)})])")
        for k, b in enumerate(blocks)
    ]


def _population(c: Context, spec: Spec) -> list[str]:
    mu, priors = spec.design.mu, spec.priors.mu
    out = []
    if mu.terms:
        each = f"zip(priors.mu.fixef, {_slopes(spec)})"
        out.append(f"right += sum(a.prior.logpdf(b) for a, b in {each})")
    if priors.intercept is not None:
        at = "X.mean(axis=0) @ beta" if mu.terms and priors.intercept_at_means else "beta[0]"
        out.append(f"right += priors.mu.intercept.prior.logpdf({at})")
    return out


def _group(f: Factor) -> list[str]:
    t, name = f.tag, f.g.name
    out = [
        f"right += sum(a.prior.logpdf(s) for a, s in zip(priors.mu.sd[{name!r}], sd_{t}))",
        f"right += stats.norm.logpdf(u_{t}).sum()",
    ]
    for (_, factor), block in zip(_factors(f), _blocks(f.g), strict=True):
        q = len(block)
        out += [
            f"C = {factor}",
            f"right += priors.mu.lkj({name!r}).logpdf(C @ C.T)",
            f"right += np.arange({q - 1}, -1, -1) @ np.log(np.diag(C))  # dR / dC",
        ]
    return out
