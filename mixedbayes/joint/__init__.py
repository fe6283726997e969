"""The joint posterior of effects and variances as one compiled function, for families without a
closed form; and the normal approximation around its mode in which the sampler moves."""
