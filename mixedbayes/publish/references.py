"""The papers behind what a fit and its tables use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A paper: how it is named in a sentence, and in a list."""

    short: str
    authors: str
    year: int
    title: str
    where: str
    link: str  # a DOI, or an address where there is none

    @property
    def url(self) -> str:
        return self.link if "://" in self.link else f"https://doi.org/{self.link}"

    def __str__(self) -> str:
        return f"{self.authors} ({self.year}). {self.title}. {self.where}. {self.url}"


REFERENCES = {
    "formula": Reference(
        "Bates et al. 2015",
        "Bates, D., Mächler, M., Bolker, B., & Walker, S.",
        2015,
        "Fitting linear mixed-effects models using lme4",
        "Journal of Statistical Software, 67(1), 1–48",
        "10.18637/jss.v067.i01",
    ),
    "nuts": Reference(
        "Hoffman & Gelman 2014",
        "Hoffman, M. D., & Gelman, A.",
        2014,
        "The No-U-Turn sampler: adaptively setting path lengths in Hamiltonian Monte Carlo",
        "Journal of Machine Learning Research, 15, 1593–1623",
        "https://jmlr.org/papers/v15/hoffman14a.html",
    ),
    "split": Reference(
        "Shahbaba et al. 2014",
        "Shahbaba, B., Lan, S., Johnson, W. O., & Neal, R. M.",
        2014,
        "Split Hamiltonian Monte Carlo",
        "Statistics and Computing, 24(3), 339–349",
        "10.1007/s11222-012-9373-1",
    ),
    "surrogate": Reference(
        "Christen & Fox 2005",
        "Christen, J. A., & Fox, C.",
        2005,
        "Markov chain Monte Carlo using an approximation",
        "Journal of Computational and Graphical Statistics, 14(4), 795–810",
        "10.1198/106186005X76983",
    ),
    "pymc": Reference(
        "Abril-Pla et al. 2023",
        "Abril-Pla, O., Andreani, V., Carroll, C., Dong, L., Fonnesbeck, C. J., Kochurov, M., "
        "Kumar, R., Lao, J., Luhmann, C. C., Martin, O. A., Osthege, M., Vieira, R., Wiecki, T., "
        "& Zinkov, R.",
        2023,
        "PyMC: a modern, and comprehensive probabilistic programming framework in Python",
        "PeerJ Computer Science, 9, e1516",
        "10.7717/peerj-cs.1516",
    ),
    "numpyro": Reference(
        "Phan et al. 2019",
        "Phan, D., Pradhan, N., & Jankowiak, M.",
        2019,
        "Composable effects for flexible and accelerated probabilistic programming in NumPyro",
        "arXiv:1912.11554",
        "https://arxiv.org/abs/1912.11554",
    ),
    "arviz": Reference(
        "Kumar et al. 2019",
        "Kumar, R., Carroll, C., Hartikainen, A., & Martin, O.",
        2019,
        "ArviZ: a unified library for exploratory analysis of Bayesian models in Python",
        "Journal of Open Source Software, 4(33), 1143",
        "10.21105/joss.01143",
    ),
    "rhat": Reference(
        "Vehtari et al. 2021",
        "Vehtari, A., Gelman, A., Simpson, D., Carpenter, B., & Bürkner, P.-C.",
        2021,
        "Rank-normalization, folding, and localization: an improved R-hat for assessing "
        "convergence of MCMC (with discussion)",
        "Bayesian Analysis, 16(2), 667–718",
        "10.1214/20-BA1221",
    ),
    "bfmi": Reference(
        "Betancourt 2016",
        "Betancourt, M.",
        2016,
        "Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo",
        "arXiv:1604.00695",
        "https://arxiv.org/abs/1604.00695",
    ),
    "lkj": Reference(
        "Lewandowski et al. 2009",
        "Lewandowski, D., Kurowicka, D., & Joe, H.",
        2009,
        "Generating random correlation matrices based on vines and extended onion method",
        "Journal of Multivariate Analysis, 100(9), 1989–2001",
        "10.1016/j.jmva.2009.04.008",
    ),
    "icc": Reference(
        "Nakagawa et al. 2017",
        "Nakagawa, S., Johnson, P. C. D., & Schielzeth, H.",
        2017,
        "The coefficient of determination R2 and intra-class correlation coefficient from "
        "generalized linear mixed-effects models revisited and expanded",
        "Journal of the Royal Society Interface, 14(134), 20170213",
        "10.1098/rsif.2017.0213",
    ),
    "smooths": Reference(
        "Wood 2017",
        "Wood, S. N.",
        2017,
        "Generalized additive models: an introduction with R (2nd ed.)",
        "Chapman & Hall/CRC",
        "10.1201/9781315370279",
    ),
    "slopes": Reference(
        "Johnson 2014",
        "Johnson, P. C. D.",
        2014,
        "Extension of Nakagawa & Schielzeth's R2GLMM to random slopes models",
        "Methods in Ecology and Evolution, 5(9), 944–946",
        "10.1111/2041-210X.12225",
    ),
    "loo": Reference(
        "Vehtari et al. 2017",
        "Vehtari, A., Gelman, A., & Gabry, J.",
        2017,
        "Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC",
        "Statistics and Computing, 27, 1413–1432",
        "10.1007/s11222-016-9696-4",
    ),
}


def cited(*keys: str) -> str:
    """References as a note under a table has them: short, with what leads to each."""
    found = (REFERENCES[key] for key in keys)
    return "; ".join(f"{r.short}, {_address(r)}" for r in found)


def _address(r: Reference) -> str:
    return r.link if "://" in r.link else f"doi:{r.link}"
