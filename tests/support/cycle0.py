"""The layout of Cycle 0 and its roles, which most tests package with."""

from qa2pack.manifest.layout.load import load_layout

CYCLE0 = load_layout("cycle0")
ROLES = CYCLE0.roles
