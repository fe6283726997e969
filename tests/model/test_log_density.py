"""model.pymc's log density against the same density written out with NumPy and SciPy."""

import numpy as np
import pytest
from scipy import stats

import mixedbayes as mb
from mixedbayes import names

CASES = {
    "single, correlated slopes": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "crossed": ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
    "nested": ("pastes", "strength ~ 1 + (1 | batch/cask)"),
}


@pytest.mark.parametrize("formulation", [mb.NonCentered(), mb.Centered()], ids=str)
@pytest.mark.parametrize("given", [False, True], ids=["default priors", "given intercept prior"])
@pytest.mark.parametrize("case", CASES)
def test_log_density_is_the_one_written_by_hand(case, given, formulation):
    check(case, given, formulation, lambda group: formulation == mb.Centered())


@pytest.mark.parametrize("centred", ["batch", "batch:cask"])
def test_one_factor_may_be_centred_and_another_not(centred):
    check("nested", False, {centred: mb.Centered()}, lambda group: group == centred)


def check(case, given, formulation, centred):
    data, formula = CASES[case]
    priors = {"Intercept": mb.Normal(1, 20), "sigma": mb.HalfStudentT(3, 2)} if given else None
    model = mb.Model(formula, mb.load_data(data), priors=priors, formulation=formulation)
    compiled = model.pymc.compile_logp(jacobian=False, mode="FAST_COMPILE")
    rng = np.random.default_rng(3)
    for _ in range(3):
        values, x = draw_point(model, rng, centred)
        assert compiled(values) == pytest.approx(by_hand(model, x), rel=1e-10)


def draw_point(model, rng, centred):
    """Values of the model's free variables, and the same point in plain parameters."""
    mu, p = model.design.mu, len(model.design.mu.terms)
    x = {"beta": rng.normal(size=p), "a": rng.normal(20, 5), "sigma": rng.gamma(3)}
    shift = mu.means @ x["beta"] if p else 0.0
    values = {"sigma_log__": np.log(x["sigma"])}
    values |= {"fixef": x["beta"], "Intercept_at_means": x["a"]} if p else {"Intercept": x["a"]}
    x["intercept"] = x["a"] - shift
    for g in mu.groups:
        q = len(g.terms)
        sd, u = rng.gamma(3, size=q), rng.normal(size=(g.n_levels, q))
        C = np.eye(q)
        if g.correlated:
            r = rng.uniform(-0.9, 0.9)
            C = np.array([[1, 0], [r, np.sqrt(1 - r**2)]])
            values[f"partial_{names.cor(g.name)}_logodds__"] = np.array(
                [np.log1p(r) - np.log1p(-r)]
            )
        b = u @ (sd[:, None] * C).T
        place = model.spec.priors.mu.name  # default priors of slopes are at the columns' means
        values[f"{place(names.sd(g.name), g.name)}_log__"] = np.log(sd)
        own = centred(g.name)
        ranef = names.ranef(g.name)
        values[place(ranef, g.name) if own else f"u_{ranef}"] = b if own else u
        x[g.name] = (sd, C, b, u, own)
    return values, x


def by_hand(model, x):
    design, priors = model.design, model.spec.priors
    y, mu = design.y, design.mu
    given = not priors.mu.intercept_at_means
    at = x["intercept"] if given else x["a"]
    total = float(priors.mu.intercept.prior.logpdf(at))
    total += sum(float(a.prior.logpdf(b)) for a, b in zip(priors.mu.fixef, x["beta"], strict=True))
    total += float(priors.parameters["sigma"].prior.logpdf(x["sigma"]))
    eta = x["intercept"] + mu.X @ x["beta"]
    for g in priors.mu.moved(mu).groups:
        sd, C, b, u, centred = x[g.name]
        total += sum(
            float(a.prior.logpdf(s)) for a, s in zip(priors.mu.sd[g.name], sd, strict=True)
        )
        if g.correlated:
            # the model's coordinate is (r + 1) / 2
            total += float(priors.mu.cor[g.name].prior.logpdf(C @ C.T)) + np.log(2)
        L = sd[:, None] * C
        if centred:
            total += stats.multivariate_normal(cov=L @ L.T).logpdf(b).sum()
        else:
            total += stats.norm.logpdf(u).sum()
        eta = eta + np.sum(g.Z * b[g.refs], axis=1)
    return total + stats.norm.logpdf(y, eta, x["sigma"]).sum()
