"""Name of the current user, as plans, manifests and logs record it."""

import getpass
import os


def user_name() -> str:
    """Return the name of the current user, or the numeric id where there is no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # a container may run under an id without a name
