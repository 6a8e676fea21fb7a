"""Check that a required signature can be compared with somebody's key."""

import typer


def check_known(*, is_required: bool, signers: str) -> None:
    """Refuse to require a signature where no signers are known: nothing could have it.

    Args:
        signers: path of the file of known signers; empty without one.

    Raises:
        typer.BadParameter: they are not.
    """
    if is_required and not signers:
        raise typer.BadParameter("--require-signature needs to know whose: give --allowed-signers FILE")
