"""Containers of a delivery (tar, tar.gz, zip, a file as it is): written, read, and where in them what is."""
