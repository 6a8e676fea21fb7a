"""The ticket files of a package: written, read, checked, and how large they become."""
