"""Questions of the page: what each asks for is answered by the numbers, and by nothing else."""

import json

import numpy as np
import pytest
from dense_pooling import Dense

from mixedbayes.explore.content import content
from mixedbayes.explore.lines import lines_of
from mixedbayes.explore.sums import sums_of
from mixedbayes.plots.multiples import varying_group

# Every question with the index of the right choice, as the page finds it.
ASKED = """
function asked(page, state) {
  const { origin } = page.model;
  const at = (x, c) => x.reduce((v, a, i) => v + a * (origin[i] + c[i]), 0);
  const line = (found) => page.ends.map((x) => at(x, found.c));
  const now = pooled(page.model, state);
  return questions(page, state, now, line).map((one) => {
    const next = { ...state, ...one.next }, after = pooled(page.model, next);
    return { ...one, right: one.answer(now, after), told: one.told(now, after) };
  });
}
"""


@pytest.fixture
def asked(fitted, javascript):
    def get(name, **changed):
        post = fitted(name).posterior
        sums = sums_of(post, varying_group(post, None))
        lines = lines_of(sums, None)
        page = content(sums, lines, None)
        page["model"]["groups"] = sums.groups.tolist()
        page["ends"], page["reversed"] = lines.typical_X.tolist(), "as the data say"
        at = {"sd": sums.sd.mean(axis=0).tolist(), "sigma": float(sums.sigma.mean()), "chosen": 0}
        at["cor"] = 0.0 if sums.cor is None else float(sums.cor.mean())
        at |= {"weights": [1.0] * sums.group.n_levels, "newcomer": None} | changed
        javascript.eval(ASKED)
        text = javascript.eval(f"JSON.stringify(asked({json.dumps(page)}, {json.dumps(at)}))")
        return sums, at, json.loads(text)

    return get


def dense(sums, at):
    found = Dense.of(sums).given(
        np.array(at["sd"]), at["cor"], at["sigma"], np.array(at["weights"])
    )
    return {k: np.asarray(v, float) for k, v in found.items()}


@pytest.mark.parametrize("name", ["sleep", "apart", "simpson", "crossed"])
def test_an_effect_is_closer_where_it_is_smaller(asked, name):
    sums, at, found = asked(name)
    pulls = [one for one in found if one["choices"][0].startswith("It moves towards")]
    assert len(pulls) == 3 * len(at["sd"])
    before = dense(sums, at)
    for one in pulls:
        after = dense(sums, at | one["next"])
        k = next(
            i for i, term in enumerate(sums.coordinates.terms)
            if f"{term} of" in one["text"] or f"its {term}" in one["text"]
        )  # fmt: skip
        ratio = abs(after["effect"][one["g"], k] / before["effect"][one["g"], k])
        assert one["right"] == (0 if ratio < 0.99 else 1 if ratio > 1.01 else 2)
        assert str(sums.group.levels[one["g"]]) in one["text"]


def test_the_population_follows_who_has_left(asked):
    sums, at, found = asked("sleep")
    before = dense(sums, at)["population"]
    for k, term in enumerate(sums.coordinates.terms):
        (one,) = (q for q in found if f"What happens to {term} of the population" in q["text"])
        assert one["next"]["weights"][one["g"]] == 0
        after = dense(sums, at | one["next"])["population"]
        assert one["right"] == int(after[k] < before[k])
        above = "above" in one["text"]
        assert above == (one["right"] == 1)  # without one above, it falls


def test_of_two_groups_the_smaller_one_is_pooled_more(asked):
    _, _, found = asked("sleep")
    (one,) = (q for q in found if q["text"].startswith("Which of the two"))
    assert one["choices"][one["right"]] == "Subject 373, with 1 row"
    assert not any(q["text"].startswith("Which of the two") for q in asked("simpson")[2])


def test_of_a_deleted_group_the_population_is_expected(asked):
    for name in ("sleep", "simpson"):
        (one,) = (q for q in asked(name)[2] if "a line is still drawn" in q["text"])
        assert one["choices"][one["right"]] == "On the line of the population"


def test_complete_pooling_is_asked_of_where_slopes_reverse(asked):
    (one,) = (q for q in asked("simpson")[2] if "Does it rise or fall" in q["text"])
    assert one["choices"][one["right"]] == "It falls"
    assert not any("rise or fall" in q["text"] for q in asked("sleep")[2])


def test_what_is_asked_follows_the_state(asked):
    none = asked("sleep", sd=[0.0, 0.0])[2]
    assert [q for q in none if "halved" in q["text"] or "correlation" in q["text"]] == []
    J = 20
    assert asked("sleep", weights=[1.0, *[0.0] * (J - 1)])[2] == []
    high = asked("sleep", cor=0.8)[2]
    assert any("The correlation becomes −0.9" in q["text"] for q in high)
