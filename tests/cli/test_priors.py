import pytest

import mixedbayes as mb
from mixedbayes.cli.fit import parse_priors
from mixedbayes.errors import PriorError


def test_every_level_of_detail():
    assert parse_priors(
        [
            "Intercept=Normal(250, 250)",
            "fixef[Days]=Normal(10,5)",
            "sd[Subject,Days] = HalfNormal(10)",
            "sd[Subject, Intercept]=HalfStudentT(3, sigma=25)",
            "sd[Item]=Exponential(0.02)",
            "cor=LKJ(2)",
            "sigma=Exponential(2e-2)",
        ]
    ) == {
        "Intercept": mb.Normal(250, 250),
        "fixef": {"Days": mb.Normal(10, 5)},
        "sd": {
            "Subject": {"Days": mb.HalfNormal(10), "Intercept": mb.HalfStudentT(3, sigma=25)},
            "Item": mb.Exponential(0.02),
        },
        "cor": mb.LKJ(2),
        "sigma": mb.Exponential(0.02),
    }


def test_negative_numbers_and_names_with_an_equals_sign():
    assert parse_priors(["fixef[I(x == 1)]=Normal(-1.5, +2)"]) == {
        "fixef": {"I(x == 1)": mb.Normal(-1.5, 2)}
    }


def test_no_priors():
    assert parse_priors([]) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Normal(0, 5)", "write parameter=Distribution"),
        ("=Normal(0, 5)", "no parameter named before '='"),
        ("sigma=", "is not of the form Normal"),
        ("sigma=Exponential", "is not of the form Normal"),
        ("sigma=3", "is not of the form Normal"),
        ("sigma=Exponential(1", "is not of the form Normal"),
        ("sigma=Exponentail(1)", "did you mean Exponential?"),
        ("sigma=Prior()", "no distribution 'Prior'"),
        ("sigma=Exponential(-1)", "lam must be greater than 0"),
        ("sigma=Exponential(1, 2, 3)", "Exponential takes from 1 to 2 positional"),
        ("sigma=Exponential(rate=1)", "unexpected keyword argument 'rate'"),
        ("sigma=Gamma(1)", "missing 1 required positional argument: 'beta'"),
        ("sigma=Exponential('1')", "is not a number"),
        ("sigma=Exponential(True)", "'True' is not a number"),
        ("sigma=Exponential(**{})", r"\*\* is not understood"),
        ("sd[a,b,c]=HalfNormal(1)", r"\[group,term\] after sd"),
        ("sd[a,]=HalfNormal(1)", r"\[group,term\] after sd"),
    ],
)
def test_mistakes_name_the_text_and_the_remedy(text, message):
    with pytest.raises(PriorError, match=message) as caught:
        parse_priors([text])
    assert str(caught.value).startswith("prior ")


@pytest.mark.parametrize(
    "value",
    [
        "__import__('os').system('true')",
        "Normal(__import__('os').getpid(), 1)",
        "Normal.__subclasses__()",
        "(lambda: Normal(0, 1))()",
        "Normal(0, 1) if True else 0",
        "Normal(*[0, 1])",
        "Normal(0, [1 for _ in (1,)][0])",
        "(" * 5000 + ")" * 5000,
    ],
)
def test_text_is_never_run(value):
    with pytest.raises(PriorError):
        parse_priors([f"fixef={value}"])


def test_a_parameter_has_one_prior():
    with pytest.raises(PriorError, match="sigma already has a prior"):
        parse_priors(["sigma=HalfNormal(1)", "sigma=HalfNormal(2)"])
    with pytest.raises(PriorError, match="sd already has one prior for all its terms"):
        parse_priors(["sd=HalfNormal(1)", "sd[g]=HalfNormal(2)"])
    with pytest.raises(PriorError, match="sd already has a prior"):
        parse_priors(["sd[g]=HalfNormal(1)", "sd=HalfNormal(2)"])
