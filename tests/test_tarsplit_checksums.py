"""Checksums of what is written: several in one pass, and copies that go on alone."""

import hashlib

from qa2pack.tarsplit.checksums import Sums


def test_copy_goes_on_alone_from_where_it_was_made() -> None:
    sums = Sums(("md5",))
    sums.update(b"first")
    copied = sums.copy()
    copied.update(b"second")
    assert sums.result("md5") == hashlib.md5(b"first").hexdigest()
    assert copied.result("md5") == hashlib.md5(b"firstsecond").hexdigest()
