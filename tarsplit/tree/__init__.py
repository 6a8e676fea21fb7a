"""Trees of a delivery (a folder, a BagIt bag): written, compared, and what is in them beside the files."""
