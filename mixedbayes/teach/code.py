"""The forms of a model as code: NumPy and SciPy on the arrays that `setup` makes."""

from __future__ import annotations

import numpy as np

from mixedbayes import names
from mixedbayes.design.types import GroupDesign
from mixedbayes.interop.pymc_code import pymc_code, sd_name
from mixedbayes.interop.writing import lines, said
from mixedbayes.model.spec import Spec
from mixedbayes.teach.context import Context, Factor


def numbers(values: object) -> str:
    """An array as NumPy reads it back."""
    return f"np.array({np.asarray(values).tolist()})"


def arrays(c: Context) -> str:
    """The data, and the values of the population part at which the forms are compared."""
    mu = c.design.mu
    offset = " - design.mu.offset" if mu.offset is not None else ""
    X = "np.column_stack([np.ones(n), design.mu.X])" if mu.intercept else "design.mu.X"
    return lines(
        "import numpy as np",
        "from scipy import linalg, stats",
        "",
        "design = model.design",
        f"n, y = design.n, design.y{offset}",
        f"X = {X}  # {said(*c.terms) or 'no columns'}",
        f"beta = {numbers(c.beta)}",
        f"sigma = {c.sigma!r}",
    )


def setup(c: Context) -> str:
    """Arrays, and the values at which the forms are compared."""
    return lines(
        arrays(c),
        "rng = np.random.default_rng(1)",
        *[line for f in c.factors for line in _factor(f)],
        "",
        "mu = X @ beta",
        added("mu", [part(f) for f in c.factors]),
        "",
        WIDE,
        matrices(c),
    )


WIDE = '''\
def wide(j, Z, J):
    """One column for each level and effect; a row has its Z at its own level, else zeros."""
    W = np.zeros((n, J, Z.shape[1]))
    W[np.arange(n), j] = Z
    return W.reshape(n, -1)
'''


def matrices(c: Context) -> list[str]:
    """Z, gamma and Psi of all factors together."""
    Zs = ", ".join(f"wide(j_{f.tag}, Z_{f.tag}, {f.g.n_levels})" for f in c.factors)
    gammas = ", ".join(f"gamma_{f.tag}.ravel()" for f in c.factors)
    covs = ", ".join(f"np.kron(np.eye({f.g.n_levels}), Psi_{f.tag})" for f in c.factors)
    return [
        f"Z = np.hstack([{Zs}])",
        f"gamma = np.concatenate([{gammas}])",
        f"Psi = linalg.block_diag({covs})",
    ]


def _factor(f: Factor) -> list[str]:
    t, J, q = f.tag, f.g.n_levels, len(f.g.terms)
    return [
        "",
        f"# {said(f.g.name)}: {J} levels with effects {said(*f.g.terms)}",
        f"group = design.mu.group({f.g.name!r})",
        f"j_{t}, Z_{t} = group.refs, group.Z  # level of each row, columns (n, {q})",
        f"Psi_{t} = {numbers(f.cov)}",
        f"gamma_{t} = rng.standard_normal(({J}, {q})) @ np.linalg.cholesky(Psi_{t}).T",
    ]


def part(f: Factor, rows: str = "") -> str:
    """z'gamma of every row, or of some."""
    return f"(Z_{f.tag}{rows} * gamma_{f.tag}[j_{f.tag}{rows}]).sum(axis=1)"


def rest(c: Context, places: list[int], rows: str = "") -> list[str]:
    """Columns of X at these places, and other factors' effects."""
    parts = [f"X{rows}[:, {places}] @ beta[{places}]"] if places else []
    return [*parts, *(part(f, rows) for f in c.others)]


def added(target: str, parts: list[str], sign: str = "+") -> list[str]:
    """A line for each part that is added."""
    return [f"{target} {sign}= {p}" for p in parts]


def population(c: Context) -> list[str]:
    """`population`, the expected coefficients: (q,), or (J, q) where a level predicts its own."""
    t, level = c.first.tag, said(c.first.g.name)
    entries = ", ".join("0.0" if k.place is None else f"beta[{k.place}]" for k in c.varying)
    out = [f"population = np.array([{entries}])  # {said(*c.first.g.terms)}"]
    if any(k.predictors for k in c.coefficients):
        out += [
            "",
            "def of_level(x, z):",
            f'    """What a column x is times z, for each {level}: a predictor of theirs."""',
            f"    size = np.bincount(j_{t}, z * z)",
            f"    return np.bincount(j_{t}, x * z) / np.where(size > 0, size, 1)",
            "",
        ]
    if predicted(c):
        out.append(f"population = np.tile(population, ({c.first.g.n_levels}, 1))  # (J, q)")
    for k, varying in enumerate(c.varying):
        for by in varying.predictors:
            predictor = f"of_level(X[:, {by.place}], Z_{t}[:, {k}])"
            out.append(
                f"population[:, {k}] += beta[{by.place}] * {predictor}  "
                f"# {said(varying.term)} by {said(by.name)}"
            )
    return out


def guided(c: Context) -> list[str]:
    """`slopes`, coefficients (J, k) that only predictors of the level make different."""
    if not c.guided:
        return []
    out = [f"slopes = np.empty(({c.first.g.n_levels}, {len(c.guided)}))"]
    for k, slope in enumerate(c.guided):
        out.append(f"slopes[:, {k}] = beta[{slope.place}]  # {said(slope.term)}")
        for by in slope.predictors:
            predictor = f"of_level(X[:, {by.place}], X[:, {slope.place}])"
            out.append(f"slopes[:, {k}] += beta[{by.place}] * {predictor}  # by {said(by.name)}")
    return out


def predicted(c: Context) -> bool:
    """Whether the levels have predictors of the coefficients that vary."""
    return any(k.predictors for k in c.varying)


def varying_coefficients(c: Context) -> str:
    t = c.first.tag
    places = [k.place for k in c.guided]
    by_level = [f"(X[:, {places}] * slopes[j_{t}]).sum(axis=1)"] if places else []
    return lines(
        population(c),
        guided(c),
        f"alpha = population + gamma_{t}  # coefficients of each {said(c.first.g.name)}",
        f"mu_1a = (Z_{t} * alpha[j_{t}]).sum(axis=1)",
        added("mu_1a", [*by_level, *rest(c, c.rest(*c.coefficients))]),
        "left, right = mu_1a, mu",
    )


def multilevel(c: Context) -> str:
    t = c.first.tag
    expected = "population[j]" if predicted(c) else "population"
    places = [k.place for k in c.guided]
    by_level = [f"X[rows][:, {places}] @ slopes[j]"] if places else []
    return lines(
        population(c),
        guided(c),
        "mu_1b = np.empty(n)",
        f"for j in range({c.first.g.n_levels}):",
        f"    rows = j_{t} == j",
        f"    alpha = {expected} + gamma_{t}[j]  # level 2: the {said(c.first.g.name)}",
        f"    mu_1b[rows] = Z_{t}[rows] @ alpha  # level 1: its rows",
        added("    mu_1b[rows]", [*by_level, *rest(c, c.rest(*c.coefficients), "[rows]")]),
        "left, right = mu_1b, mu",
    )


def local_regressions(c: Context) -> str:
    t, J = c.first.tag, c.first.g.n_levels
    one = "population[j]" if predicted(c) else "population"
    fitted = f"(Z_{t} * population[j_{t}]).sum(axis=1)" if predicted(c) else f"Z_{t} @ population"
    return lines(
        population(c),
        f"own = y.copy()  # what the {said(c.first.g.name)} has to explain",
        added("own", rest(c, c.rest(*c.varying)), "-"),
        f"combined, prior = np.empty_like(gamma_{t}), np.linalg.inv(Psi_{t})",
        f"for j in range({J}):",
        f"    Z_j, y_j = Z_{t}[j_{t} == j], own[j_{t} == j]",
        "    local = np.linalg.pinv(Z_j) @ y_j  # a regression of its own",
        "    data = Z_j.T @ Z_j / sigma**2  # and what it knows",
        f"    combined[j] = np.linalg.solve(data + prior, data @ local + prior @ {one})",
        "",
        "# all at once: the mean of the coefficients given the responses",
        f"W, P = wide(j_{t}, Z_{t}, {J}), np.kron(np.eye({J}), Psi_{t})",
        f"surprise = own - {fitted}",
        "deviation = P @ W.T @ np.linalg.solve(W @ P @ W.T + sigma**2 * np.eye(n), surprise)",
        "left, right = combined, population + deviation.reshape(combined.shape)",
    )


def indicators(c: Context) -> str:
    body = []
    for f in c.factors:
        body += [
            f"indicator = j_{f.tag}[:, None] == np.arange({f.g.n_levels})  # (n, {f.g.n_levels})",
            f"for t in range({len(f.g.terms)}):  # {said(*f.g.terms)}",
            f"    mu_3a += (indicator * Z_{f.tag}[:, [t]]) @ gamma_{f.tag}[:, t]",
        ]
    return lines("mu_3a = X @ beta", body, "left, right = mu_3a, mu")


def clusters(c: Context) -> str:
    t = c.first.tag
    return lines(
        "mu_3b = np.empty(n)",
        f"for j in range({c.first.g.n_levels}):",
        f"    rows = j_{t} == j",
        f"    X_j, Z_j = X[rows], Z_{t}[rows]",
        f"    mu_3b[rows] = X_j @ beta + Z_j @ gamma_{t}[j]",
        added("    mu_3b[rows]", [part(f, "[rows]") for f in c.others]),
        "left, right = mu_3b, mu",
    )


def general(c: Context) -> str:
    blocks = []
    for f in c.factors:
        t, J = f.tag, f.g.n_levels
        blocks += [
            f"order = np.argsort(j_{t}, kind='stable')  # rows of one {said(f.g.name)} together",
            f"W_{t} = linalg.block_diag(*(Z_{t}[j_{t} == j] for j in range({J})))",
            f"W_{t} = W_{t}[np.argsort(order)]  # and back",
        ]
    beside = ", ".join(f"W_{f.tag}" for f in c.factors)
    return lines(
        blocks,
        f"left, right = X @ beta + np.hstack([{beside}]) @ gamma, mu",
    )


def error_terms(c: Context) -> str:
    pieces = [
        f"    {f.g.name!r}: ((Z_{f.tag} @ Psi_{f.tag}) * Z_{f.tag}).sum(axis=1)," for f in c.factors
    ]
    return lines(
        "parts = {  # of the variance of each row's error",
        pieces,
        "}",
        "variance = sum(parts.values()) + sigma**2",
        "icc = {name: part.mean() / variance.mean() for name, part in parts.items()}",
        "",
        "left, right = variance, np.diag(Z @ Psi @ Z.T) + sigma**2",
    )


def conditional_and_marginal(c: Context) -> str:
    return lines(
        "precision = np.linalg.inv(Psi) + Z.T @ Z / sigma**2",
        "posterior = stats.multivariate_normal(",
        "    np.linalg.solve(precision, Z.T @ (y - X @ beta) / sigma**2),",
        "    stats.Covariance.from_precision(precision),",
        ")",
        "conditional = stats.norm(X @ beta + Z @ gamma, sigma).logpdf(y).sum()",
        "prior = stats.multivariate_normal(np.zeros(len(Psi)), Psi).logpdf(gamma)",
        "marginal = stats.multivariate_normal(X @ beta, Z @ Psi @ Z.T + sigma**2 * np.eye(n))",
        "left = conditional + prior - posterior.logpdf(gamma)  # whatever gamma is",
        "right = marginal.logpdf(y)",
    )


def correlated_errors(c: Context) -> str:
    terms = [
        f"Sigma += (j_{f.tag}[:, None] == j_{f.tag}) * (Z_{f.tag} @ Psi_{f.tag} @ Z_{f.tag}.T)"
        for f in c.factors
    ]
    return lines(
        "Sigma = sigma**2 * np.eye(n)",
        terms,
        "left, right = Sigma, Z @ Psi @ Z.T + sigma**2 * np.eye(n)",
    )


def multivariate_normal(c: Context) -> str:
    return lines(
        "Sigma = Z @ Psi @ Z.T + sigma**2 * np.eye(n)",
        "L = np.linalg.cholesky(Sigma)",
        "white = linalg.solve_triangular(L, y - X @ beta, lower=True)",
        "left = -0.5 * (n * np.log(2 * np.pi) + white @ white) - np.log(np.diag(L)).sum()",
        "right = stats.multivariate_normal(X @ beta, Sigma).logpdf(y)",
    )


def penalised(c: Context) -> str:
    return lines(
        "penalty = np.linalg.cholesky(np.linalg.inv(Psi)).T  # penalty' penalty = Psi^-1",
        "nothing = np.zeros((len(Psi), X.shape[1]))",
        "A = np.block([[X / sigma, Z / sigma], [nothing, penalty]])",
        "left = np.linalg.lstsq(A, np.concatenate([y / sigma, np.zeros(len(Psi))]))[0]",
        "",
        "Sigma = Z @ Psi @ Z.T + sigma**2 * np.eye(n)",
        "best = np.linalg.solve(X.T @ np.linalg.solve(Sigma, X), X.T @ np.linalg.solve(Sigma, y))",
        "effects = Psi @ Z.T @ np.linalg.solve(Sigma, y - X @ best)",
        "right = np.concatenate([best, effects])",
    )


# ---- the Bayesian form -------------------------------------------------------------------------


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
            f"right += priors.mu.cor[{name!r}].prior.logpdf(C @ C.T)",
            f"right += np.arange({q - 1}, -1, -1) @ np.log(np.diag(C))  # dR / dC",
        ]
    return out
