"""What a new user asks is answered at an anchor of its own, and listed on one page."""


def test_there_are_more_than_twenty(questions):
    assert len(questions) >= 25
    assert len({q["asks"] for q in questions}) == len(questions)


def test_each_page_has_the_anchor_of_the_answer(questions, sources):
    missing = [q for q in questions if f"({q['anchor']})=" not in sources.get(q["page"], "")]
    assert not missing


def test_one_page_lists_them_all(questions, sources):
    page = sources["guide/questions"]
    for q in questions:
        assert f"- [{q['asks']}](#{q['anchor']})" in page
