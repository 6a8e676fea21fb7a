"""Names that an XML file lists, and XML that would harm."""

import pytest

from qa2pack.manifest.layout import listed_names as module
from qa2pack.manifest.layout.listed_names import ListError, listed_names

MANIFEST = b"""<?xml version="1.0" ?>
<piperesults name="run">
  <ous name="uid">
    <session name="s1"><caltables name="m.s1.caltables.tgz"/>
      <asdm name="eb"><applycmds name="eb.calapply.txt"/></asdm></session>
    <image name="products/m.image.fits" datatype="FITS"/><image name="m.image.fits"/><image/>
  </ous>
</piperesults>
"""
LABEL = """<?xml version="1.0" encoding="ISO-8859-1"?>
<a:Product xmlns:a="http://pds.nasa.gov/pds4/pds/v1"><a:file_name>
  caf\xe9.csv</a:file_name><a:file_size>12</a:file_size></a:Product>
""".encode("latin-1")
LAUGHS = b"""<!DOCTYPE l [<!ENTITY l0 "ha">%s]><image>&l40;</image>""" % b"".join(
    b'<!ENTITY l%d "&l%d;&l%d;">' % (number, number - 1, number - 1) for number in range(1, 41)
)
OUTSIDE = b'<!DOCTYPE l [<!ENTITY l SYSTEM "file:///etc/passwd">]><image>&l;</image>'


def test_names_are_those_of_the_elements_each_once_and_without_folders() -> None:
    names = listed_names(MANIFEST, ("caltables", "applycmds", "image"), "name")
    assert names == (b"m.s1.caltables.tgz", b"eb.calapply.txt", b"m.image.fits")


def test_name_may_be_the_text_of_an_element_of_any_namespace_and_encoding() -> None:
    assert listed_names(LABEL, ("file_name",), "") == ("caf\xe9.csv".encode(),)


@pytest.mark.parametrize("data", [LAUGHS, OUTSIDE], ids=["laughs", "outside"])
def test_entities_are_refused_before_they_are_expanded(data: bytes) -> None:
    with pytest.raises(ListError, match="it declares an entity"):
        listed_names(data, ("image",), "")


@pytest.mark.parametrize(
    "data",
    [b"", b"<image>", b"no XML", b"<?xml version='1.0' encoding='rot13'?><image/>", MANIFEST[:-9], b"\0" * 9],
    ids=["empty", "open", "text", "encoding", "truncated", "zeros"],
)
def test_what_is_not_xml_is_no_list(data: bytes) -> None:
    with pytest.raises(ListError, match="it is not XML"):
        listed_names(data, ("image",), "name")


def test_deep_nesting_is_read() -> None:
    assert listed_names(b"<a>" * 100_000 + b"<b>x</b>" + b"</a>" * 100_000, ("b",), "") == (b"x",)


def test_number_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_NAMES", 2)
    with pytest.raises(ListError, match="more than 2 names"):
        listed_names(b"<a><b>1</b><b>2</b><b>3</b></a>", ("b",), "")
