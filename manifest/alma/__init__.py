"""What only the ALMA archive knows: uids, roles, member ids, package tree, README, limits of receivers."""
