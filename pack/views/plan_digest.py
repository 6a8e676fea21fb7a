"""Digest of a plan as people see and type it: hexadecimal, and only its first digits."""

LENGTH = 32  # of the whole digest
SHOWN_DIGITS = 16
FEWEST_DIGITS = 8  # to be typed: chance finds another plan with these once in four thousand million
