"""`pack report`: the HTML page of a package."""
