"""The page of all options is the one made from the commands."""

from qa2pack.pack.cli import COMMANDS
from qa2pack.pack.reference_page import reference_page
from support.commands import ROOT


def test_page_in_docs_is_the_one_made_from_the_commands() -> None:
    page = (ROOT / "docs/reference.md").read_text()
    assert page == reference_page(), "run python -m qa2pack.pack.reference_page > docs/reference.md"


def test_page_has_every_command_and_its_options() -> None:
    page = reference_page()
    assert [name for name in COMMANDS if f"\n## pack {name}\n" not in page] == []
    assert "\n## pack tarsplit\n" in page
    assert "| `-n`, `--name` `DATE` | Date of the delivery, as in 2012-06-20. | |\n" in page
    assert "[default: fake] | `PACK_MODE` |\n" in page
