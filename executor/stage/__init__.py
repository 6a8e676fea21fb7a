"""Staging: makes the new package in the control folder, beside the old package."""
