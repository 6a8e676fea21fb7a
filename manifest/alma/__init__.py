"""ALMA conventions: uids, roles, member ids, package tree, README, ticket files, limits of receiving programs."""
