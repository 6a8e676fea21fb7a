"""`pack audit`: all packages of an institute, the shelf, in one catalogue, verified in turn."""
