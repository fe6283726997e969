"""Several responses of one frame: formulas with every kind of term, and data for them."""

import numpy as np
import pandas as pd

CORRELATED = [
    "mv(weight, height, length) | weights(w) ~ age + (age | p | child) + (1 | school)",
    "height ~ age * sex + offset(o) + (1 | p | child)",
    "sigma_length ~ age",
]
PLAIN = ["mv(weight, height) ~ age + (1 | p | child)"]
SMOOTH = [
    "mv(weight, height) ~ s(age, k=5) + mo(grade) + (1 | p | gr(child, cov=A))",
    "height ~ sex + s(o, k=4) + (sex | p | gr(child, cov=A)) + (1 | school)",
    "sigma_height ~ age",
]
STRUCTURED = [
    "mv(weight, height, length) ~ age + (1 | p | mm(school, school2))",
    "height ~ age + (0 + ar1(visit) | child) + (1 | mm(school, school2)) + mo(grade)",
    "length ~ s(age, school, bs='fs', k=4) + (age | gr(child, by=arm))"
    " + (1 | p | mm(school, school2))",
]
APART = ["mv(weight, height, rescor=False) ~ age + (1 | child)"]


def frame(n=40, missing=True):
    rng = np.random.default_rng(7)
    d = pd.DataFrame(rng.normal(size=(n, 4)), columns=["weight", "height", "length", "o"])
    d = d.assign(age=rng.uniform(1, 5, n), w=rng.uniform(0.5, 2, n))
    d = d.assign(sex=rng.choice(["f", "m"], n), child=np.arange(n) % 7, school=np.arange(n) % 5)
    d = d.assign(arm=d["child"] % 2, visit=np.arange(n) // 7)
    d["school2"] = (d["school"] + d["child"]) % 5
    grades = list(rng.permutation(n) % 4)
    d["grade"] = pd.Categorical.from_codes(grades, ["a", "b", "c", "d"], ordered=True)
    if missing:
        d.loc[[2, 9, 10], "weight"] = np.nan
        d.loc[[2, 14], "height"] = np.nan
        d.loc[[14, 15, 21], "length"] = np.nan
    return d


def kin():
    root = np.random.default_rng(5).normal(size=(7, 7))
    return {"A": pd.DataFrame(root @ root.T / 7 + np.eye(7), range(7), range(7))}
