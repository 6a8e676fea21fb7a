"""Bundles: files of a package that are made of files of the origin (tar, tar.gz, gz), and the tar headers."""
