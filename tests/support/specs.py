"""Models of designs made by hand."""

from mixedbayes.families.gaussian import Gaussian
from mixedbayes.model.spec import Spec
from mixedbayes.priors.types import PredictorPriors, Priors

NONE = Priors((PredictorPriors("mu", None, False, (), (), {}, {}, {}),), {})


def spec_of(design, family=None):
    """A design as a model, gaussian by default; without priors, which few stages read."""
    return Spec(design, family or Gaussian(), NONE)
