"""Link functions as objects: g maps the mean to the linear predictor, `inverse` maps it back.

`xp` is the array module: NumPy for results, PyTensor inside a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]


def _exp(eta: Any, xp: Any) -> Any:
    """exp(eta), infinite without a warning where it is beyond all numbers."""
    if xp is not np:
        return xp.exp(eta)
    with np.errstate(over="ignore"):
        return np.exp(eta)


@dataclass(frozen=True)
class Link:
    """A link function."""

    name: ClassVar[str] = ""

    def link(self, mu: Any, xp: Any) -> Any:
        """eta = g(mu)."""
        raise NotImplementedError

    def inverse(self, eta: Any, xp: Any) -> Any:
        """mu = g^-1(eta)."""
        raise NotImplementedError

    def slope(self, eta: Any, xp: Any) -> Any:
        """d mu / d eta at eta."""
        raise NotImplementedError

    def normal_mean(self, eta: Floats, variance: Floats) -> Floats | None:
        """E g^-1(h) for h ~ N(eta, variance), where there is a formula; None elsewhere."""
        return None


@dataclass(frozen=True)
class Identity(Link):
    """eta = mu.

    See Also
    --------
    Log : Effects multiply.
    Inverse : Of rates.

    Examples
    --------
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> link = mb.Identity()
    >>> np.round([link.link(2.0, np), link.inverse(link.link(2.0, np), np)], 3)
    array([2., 2.])
    >>> mb.Poisson(mb.Identity()).described
    'poisson, identity link'
    """

    name: ClassVar[str] = "identity"

    def link(self, mu: Any, xp: Any) -> Any:
        return mu

    def inverse(self, eta: Any, xp: Any) -> Any:
        return eta

    def slope(self, eta: Any, xp: Any) -> Any:
        return xp.ones_like(eta)

    def normal_mean(self, eta: Floats, variance: Floats) -> Floats | None:
        return eta


@dataclass(frozen=True)
class Log(Link):
    """eta = log mu: effects multiply the mean.

    See Also
    --------
    Identity : Effects add.
    Softplus : Of further parameters, with effects that add where they are large.

    Examples
    --------
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> link = mb.Log()
    >>> np.round([link.link(2.0, np), link.inverse(link.link(2.0, np), np)], 3)
    array([0.693, 2.   ])
    >>> mb.Poisson(mb.Log()).described
    'poisson, log link'
    """

    name: ClassVar[str] = "log"

    def link(self, mu: Any, xp: Any) -> Any:
        return xp.log(mu)

    def inverse(self, eta: Any, xp: Any) -> Any:
        return _exp(eta, xp)

    def slope(self, eta: Any, xp: Any) -> Any:
        return _exp(eta, xp)

    def normal_mean(self, eta: Floats, variance: Floats) -> Floats | None:
        return _exp(eta + variance / 2, np)


@dataclass(frozen=True)
class Softplus(Link):
    """mu = log(1 + exp(eta)), of a positive parameter: effects add to it where it is large.

    eta is about mu where mu is large, and about log mu, of which effects are factors, where it is
    small. Large and small are beside 1: the model depends on the unit of the parameter, such as
    that of y for sigma.

    See Also
    --------
    Log : The default of positive parameters.

    Examples
    --------
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> link = mb.Softplus()
    >>> np.round([link.link(2.0, np), link.inverse(link.link(2.0, np), np)], 3)
    array([1.855, 2.   ])
    >>> mb.Gaussian(links={"sigma": mb.Softplus()}).described
    'gaussian, identity link, softplus link of sigma'
    """

    name: ClassVar[str] = "softplus"

    def link(self, mu: Any, xp: Any) -> Any:
        return mu + xp.log(-xp.expm1(-mu))

    def inverse(self, eta: Any, xp: Any) -> Any:
        return np.logaddexp(0.0, eta) if xp is np else xp.softplus(eta)

    def slope(self, eta: Any, xp: Any) -> Any:
        return special.expit(eta) if xp is np else xp.sigmoid(eta)


@dataclass(frozen=True)
class Inverse(Link):
    """eta = 1 / mu.

    See Also
    --------
    Log : Effects multiply.

    Examples
    --------
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> link = mb.Inverse()
    >>> np.round([link.link(2.0, np), link.inverse(link.link(2.0, np), np)], 3)
    array([0.5, 2. ])
    >>> mb.families.Gamma(mb.Inverse()).described
    'gamma, inverse link'
    """

    name: ClassVar[str] = "inverse"

    def link(self, mu: Any, xp: Any) -> Any:
        return 1 / mu

    def inverse(self, eta: Any, xp: Any) -> Any:
        return 1 / eta

    def slope(self, eta: Any, xp: Any) -> Any:
        return -1 / eta**2


@dataclass(frozen=True)
class TanHalf(Link):
    """eta = tan(mu / 2), of a direction mu between -pi and pi.

    See Also
    --------
    Identity : Of numbers on a line.

    Examples
    --------
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> link = mb.TanHalf()
    >>> np.round([link.link(2.0, np), link.inverse(link.link(2.0, np), np)], 3)
    array([1.557, 2.   ])
    >>> mb.families.VonMises(mb.TanHalf()).described
    'von_mises, tan_half link'
    """

    name: ClassVar[str] = "tan_half"

    def link(self, mu: Any, xp: Any) -> Any:
        return xp.tan(mu / 2)

    def inverse(self, eta: Any, xp: Any) -> Any:
        return 2 * xp.arctan(eta)

    def slope(self, eta: Any, xp: Any) -> Any:
        return 2 / (1 + eta**2)


@dataclass(frozen=True)
class ShareLink(Link):
    """A link of a mean between 0 and 1: mu = F(eta), F the distribution function of a tolerance.

    y = 1 where eta exceeds a latent tolerance; `variance` is that of the tolerance.
    """

    variance: ClassVar[float]
    symmetric: ClassVar[bool] = True  # whether F(-eta) = 1 - F(eta)

    def log_inverse(self, eta: Any, xp: Any) -> Any:
        """log mu as a function of eta, without loss of digits in the tails."""
        raise NotImplementedError

    def log_rest(self, eta: Any, xp: Any) -> Any:
        """log(1 - mu) as a function of eta, without loss of digits in the tails."""
        return self.log_inverse(-eta, xp)

    def rest(self, eta: Any, xp: Any) -> Any:
        """1 - mu as a function of eta, for a symmetric link without loss of digits near 1."""
        return self.inverse(-eta, xp) if self.symmetric else 1 - self.inverse(eta, xp)

    def log_odds(self, eta: Any, xp: Any) -> Any:
        """log(mu / (1 - mu)) as a function of eta, without loss of digits in the tails."""
        raise NotImplementedError

    def log_slope(self, eta: Any, xp: Any) -> Any:
        """log(d mu / d eta) as a function of eta, without loss of digits in the tails."""
        raise NotImplementedError

    def odds_slope(self, eta: Floats) -> Floats:
        """d log_odds / d eta at eta, without loss of digits in the tails."""
        raise NotImplementedError


@dataclass(frozen=True)
class Logit(ShareLink):
    """eta = log(mu / (1 - mu)): effects multiply the odds. Logistic tolerance.

    See Also
    --------
    Probit : A normal tolerance.
    Cloglog : Hazards.

    Examples
    --------
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> link = mb.Logit()
    >>> np.round([link.link(0.75, np), link.inverse(link.link(0.75, np), np)], 3)
    array([1.099, 0.75 ])
    >>> mb.Bernoulli(mb.Logit()).described
    'bernoulli, logit link'
    """

    name: ClassVar[str] = "logit"
    variance: ClassVar[float] = np.pi**2 / 3

    def link(self, mu: Any, xp: Any) -> Any:
        return xp.log(mu) - xp.log1p(-mu)

    def inverse(self, eta: Any, xp: Any) -> Any:
        return special.expit(eta) if xp is np else xp.sigmoid(eta)

    def slope(self, eta: Any, xp: Any) -> Any:
        return self.inverse(eta, xp) * self.inverse(-eta, xp)

    def normal_mean(self, eta: Floats, variance: Floats) -> Floats | None:
        """By the logistic law as a mixture of normal laws, to 1e-9 whatever the variance."""
        from mixedbayes.numerics.logistic_normal import expit_mean  # compiled: where it is needed

        return expit_mean(eta, variance)

    def log_inverse(self, eta: Any, xp: Any) -> Any:
        return special.log_expit(eta) if xp is np else -xp.softplus(-eta)

    def log_odds(self, eta: Any, xp: Any) -> Any:
        return eta

    def log_slope(self, eta: Any, xp: Any) -> Any:
        return self.log_inverse(eta, xp) + self.log_inverse(-eta, xp)

    def odds_slope(self, eta: Floats) -> Floats:
        return np.ones_like(eta)


@dataclass(frozen=True)
class Probit(ShareLink):
    """eta = Phi^-1(mu). Normal tolerance.

    See Also
    --------
    Logit : Odds.
    Cloglog : Hazards.

    Examples
    --------
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> link = mb.Probit()
    >>> np.round([link.link(0.75, np), link.inverse(link.link(0.75, np), np)], 3)
    array([0.674, 0.75 ])
    >>> mb.Bernoulli(mb.Probit()).described
    'bernoulli, probit link'
    """

    name: ClassVar[str] = "probit"
    variance: ClassVar[float] = 1.0

    def link(self, mu: Any, xp: Any) -> Any:
        return special.ndtri(mu) if xp is np else np.sqrt(2) * xp.erfinv(2 * mu - 1)

    def inverse(self, eta: Any, xp: Any) -> Any:
        return special.ndtr(eta) if xp is np else 0.5 * xp.erfc(-eta / np.sqrt(2))

    def slope(self, eta: Any, xp: Any) -> Any:
        return xp.exp(-0.5 * eta**2) / np.sqrt(2 * np.pi)

    def normal_mean(self, eta: Floats, variance: Floats) -> Floats | None:
        return np.asarray(special.ndtr(eta / np.sqrt(1 + variance)))

    def log_inverse(self, eta: Any, xp: Any) -> Any:
        """log Phi(eta)."""
        if xp is np:
            return special.log_ndtr(eta)
        below, above = xp.minimum(eta, 0.0), xp.maximum(eta, 0.0)
        low = xp.log(0.5 * xp.erfcx(-below / np.sqrt(2))) - 0.5 * below**2
        return xp.switch(eta < 0, low, xp.log1p(-0.5 * xp.erfc(above / np.sqrt(2))))

    def log_odds(self, eta: Any, xp: Any) -> Any:
        return self.log_inverse(eta, xp) - self.log_inverse(-eta, xp)

    def log_slope(self, eta: Any, xp: Any) -> Any:
        return -0.5 * eta**2 - 0.5 * np.log(2 * np.pi)

    def odds_slope(self, eta: Floats) -> Floats:
        """phi / (Phi(eta) Phi(-eta)), about |eta| in the tails."""
        far = np.abs(eta)
        return np.sqrt(2 / np.pi) / (special.erfcx(far / np.sqrt(2)) * special.ndtr(far))


@dataclass(frozen=True)
class Cloglog(ShareLink):
    """eta = log(-log(1 - mu)): log hazards. Gumbel (smallest extreme value) tolerance.

    See Also
    --------
    Logit : Odds.
    Probit : A normal tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> import mixedbayes as mb
    >>> link = mb.Cloglog()
    >>> np.round([link.link(0.75, np), link.inverse(link.link(0.75, np), np)], 3)
    array([0.327, 0.75 ])
    >>> mb.Bernoulli(mb.Cloglog()).described
    'bernoulli, cloglog link'
    """

    name: ClassVar[str] = "cloglog"
    variance: ClassVar[float] = np.pi**2 / 6
    symmetric: ClassVar[bool] = False

    def link(self, mu: Any, xp: Any) -> Any:
        return xp.log(-xp.log1p(-mu))

    def inverse(self, eta: Any, xp: Any) -> Any:
        return -xp.expm1(-_exp(eta, xp))

    def slope(self, eta: Any, xp: Any) -> Any:
        return xp.exp(eta - _exp(eta, xp))

    def log_inverse(self, eta: Any, xp: Any) -> Any:
        near = xp.maximum(eta, -40.0)  # below, mu = exp(eta) to all digits
        return xp.where(eta < -40.0, eta, xp.log(-xp.expm1(-_exp(near, xp))))

    def log_rest(self, eta: Any, xp: Any) -> Any:
        return -_exp(eta, xp)

    def log_odds(self, eta: Any, xp: Any) -> Any:
        return _exp(eta, xp) + self.log_inverse(eta, xp)

    def log_slope(self, eta: Any, xp: Any) -> Any:
        return eta - _exp(eta, xp)

    def odds_slope(self, eta: Floats) -> Floats:
        """The hazard over the share: 1 where both are small."""
        hazard = _exp(np.maximum(eta, -40.0), np)
        return np.asarray(hazard / -np.expm1(-hazard))
