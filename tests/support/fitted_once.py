"""Fits that tests share."""

import mixedbayes as mb


def fitted_once(models, **settings):
    """A function of a model's name: its fit, made when first asked for.

    `models` has by name a function that gives formula, data, and further arguments of `fit`.
    """
    made = {}

    def get(name):
        if name not in made:
            formula, data, options = models[name]()
            made[name] = mb.fit(formula, data, seed=1, progress=False, **settings, **options)
        return made[name]

    return get
