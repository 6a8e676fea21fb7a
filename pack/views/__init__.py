"""One module per verb: from a value to lines and JSON fields."""
