"""The legacy import: `from QA2_Packaging_module import *` provides the legacy call `QA_Packager`."""

from qa2pack.pack.dropin import QA_Packager

__all__ = ["QA_Packager"]
