import pytest

from qa2pack.manifest.alma.receiver_limits import name_warnings
from qa2pack.manifest.problem import Code

REFUSED = [b"a b", b"a\tb", b"a\nb", b"a|b", b"a`b", b"a;b", b"a--b", "é".encode(), b"\xff"]


@pytest.mark.parametrize("name", REFUSED)
def test_name_that_receivers_refuse_is_warned_of(name: bytes) -> None:
    (warning,) = name_warnings(b"qa", [b"good.png", name])
    assert (warning.code, warning.path) == (Code.W_NAME, b"qa/" + name)


@pytest.mark.parametrize("name", [b"a-b", b"a_b", b"a.b", b"a+b", b"a'b", b"(a)", b"-a", b"readme"])
def test_name_that_receivers_take_is_not_warned_of(name: bytes) -> None:
    assert name_warnings(b"qa", [name]) == []


def test_only_the_readme_of_the_member_may_be_called_so() -> None:
    assert name_warnings(b"", [b"README"]) == []
    found = [(w.code, w.path) for w in name_warnings(b"script", [b"README", b"README.txt", b"myREADME"])]
    assert found == [(Code.W_README_IN_PATH, b"script/" + name) for name in (b"README", b"README.txt", b"myREADME")]


def test_every_reason_is_reported() -> None:
    codes = [warning.code for warning in name_warnings(b"qa", [b"my README"])]
    assert codes == [Code.W_NAME, Code.W_README_IN_PATH]
