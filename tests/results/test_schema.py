"""Plain data against their declared kinds."""

import pytest

from mixedbayes.errors import FileError
from mixedbayes.results.files import ANY, Each, check

KIND = {
    "name": str,
    "n": int,
    "x": (float, None),
    "ok": bool,
    "list": [str],
    "units": Each(str),
    "free": ANY,
    "more?": {"a": None},
}
GOOD = {
    "name": "a", "n": 1, "x": 2, "ok": True, "list": ["a"], "units": {"y": "ms"}, "free": [{}],
}  # fmt: skip


@pytest.mark.parametrize("more", [{}, {"x": None}, {"x": 0.5}, {"list": []}, {"more": {"a": None}}])
def test_data_of_the_kind_pass(more):
    check(GOOD | more, KIND, "meta")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": 1}, r"meta\.name is int 1, not text"),
        ({"n": 1.0}, r"meta\.n is float 1\.0, not a whole number"),
        ({"n": True}, r"meta\.n is bool True, not a whole number"),
        ({"x": False}, r"meta\.x is bool"),
        ({"x": "1"}, r"meta\.x is str '1'"),
        ({"ok": 1}, r"meta\.ok is int 1, not true or false"),
        ({"ok": None}, r"meta\.ok is NoneType"),
        ({"list": "ab"}, r"meta\.list is str 'ab', not a list"),
        ({"list": ["a", 1]}, r"meta\.list\[1\] is int"),
        ({"units": []}, r"meta\.units is list \[\], not an object"),
        ({"units": {"y": 1}}, r"meta\.units\.y is int"),
        ({"more": {}}, r"meta\.more has no 'a'"),
        ({"other": 1}, "meta has 'other', which is not known"),
    ],
)
def test_other_data_are_refused_with_their_place(wrong, said):
    with pytest.raises(FileError, match=said):
        check(GOOD | wrong, KIND, "meta")


def test_what_is_missing_is_named():
    with pytest.raises(FileError, match="meta has no 'name', 'ok'"):
        check({k: v for k, v in GOOD.items() if k not in ("name", "ok")}, KIND, "meta")


@pytest.mark.parametrize("value", [None, [], "a", 1, [GOOD]])
def test_an_object_has_to_be_one(value):
    with pytest.raises(FileError, match=r"meta is .*, not an object"):
        check(value, KIND, "meta")
