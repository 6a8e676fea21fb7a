"""Sizes as people write them."""

import pytest

from qa2pack.manifest.quantity import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("500000", 500_000), ("6GiB", 6 << 30), ("2GB", 2 * 10**9), ("1.5 TiB", 3 << 39), ("700m", 700 * 10**6)],
)
def test_size_is_read_with_its_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "6 apples", "1iB", "1e9", "6GiB/s"])
def test_text_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)
