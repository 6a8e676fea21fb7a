"""User interface: the commands `pack` and `tarsplit`, their messages, the Python API, the legacy call `QA_Packager`.

One module per verb: it parses the options, calls `manifest`, `executor` or `tarsplit`, and shows the result. Nothing
here decides what a package holds, and nothing here changes a package.
"""

__version__ = "0.1.0.dev0"
PROGRAM = f"qa2pack {__version__}"
