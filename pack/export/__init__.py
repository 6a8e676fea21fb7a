"""`pack export`: checksum lists, a BagIt bag, JSON lines."""
