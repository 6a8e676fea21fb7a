"""Staging: making the new package beside the old one."""
