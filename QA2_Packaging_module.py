"""Keeps `from QA2_Packaging_module import *` working in the scripts that data reducers have had for years."""

from qa2pack.pack.dropin import QA_Packager

__all__ = ["QA_Packager"]
