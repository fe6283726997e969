import pytest

import mixedbayes as mb
from mixedbayes.engines.choose import choose_engine

SLEEP = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def sleep():
    return mb.load_data("sleepstudy")


def test_gaussian_models_integrate_their_effects(sleep):
    chosen = mb.Model(SLEEP, sleep).formulation
    assert chosen.engine.name == "marginal"
    assert str(chosen) == "Marginal()"
    assert "Gaussian" in chosen.reason


@pytest.mark.parametrize("family", ["student_t", mb.Gaussian(link=mb.Log())], ids=str)
def test_what_has_no_closed_form_is_sampled(sleep, family):
    model = mb.Model(SLEEP, sleep, family=family)
    assert model.formulation.engine.name != "marginal"
    with pytest.raises(mb.ModelError, match="Marginal\\(\\) is not exact here"):
        choose_engine(mb.Marginal(), model.spec)


def test_each_factor_may_have_its_own(sleep):
    model = mb.Model("diameter ~ 1 + (1 | plate) + (1 | sample)", mb.load_data("penicillin"))
    chosen = choose_engine({"plate": mb.Centered()}, model.spec)
    assert chosen.groups == {"plate": mb.Centered(), "sample": mb.NonCentered()}
    assert chosen.engine.name == "pymc"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"subject": mb.Centered()}, "'subject' is not a grouping factor of this model .Subject."),
        ({"Subject": mb.Marginal()}, "it is given for the whole model"),
        ("centered", "use 'auto', mb.Marginal"),
        (None, "use 'auto', mb.Marginal"),
    ],
)
def test_wrong_requests_say_what_is_right(sleep, request_, message):
    with pytest.raises(mb.ModelError, match=message):
        choose_engine(request_, mb.Model(SLEEP, sleep).spec)
