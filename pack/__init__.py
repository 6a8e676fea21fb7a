"""All that a user sees: the commands, their messages, and the `QA_Packager` call of old.

One verb, one module: each parses what was asked, calls `manifest`, `executor` or `tarsplit`, and renders the
answer. Nothing here decides what a package holds and nothing here changes a file.
"""

__version__ = "0.1.0.dev0"
PROGRAM = f"qa2pack {__version__}"
