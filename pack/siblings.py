"""Making sure that `tarsplit` is the package of that name, and not a script.

The command of old is called `tarsplit.py`, and we install one of that name too. Python looks for modules beside the
running script, and in the working folder, before it looks among the installed ones; there such a script would be
taken for the package. So the package is loaded from where it stands, beside this one, before anybody asks for it.
"""

import importlib.util
import sys
from pathlib import Path

_NAME = "tarsplit"


def load_tarsplit() -> None:
    """Load the package `tarsplit` that stands beside this one, unless it is loaded."""
    folder = Path(__file__).resolve().parent.parent / _NAME
    loaded = sys.modules.get(_NAME)
    if loaded is not None and getattr(loaded, "__path__", None):
        return
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is not a package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
