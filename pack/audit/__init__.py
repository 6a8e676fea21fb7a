"""The shelf: all packages of an institute in one catalogue, verified in turn."""
