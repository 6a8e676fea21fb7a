"""`pack report`: HTML page about a package."""
