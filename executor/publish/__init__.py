"""Making a staged package visible, and giving the origin its links to it."""
