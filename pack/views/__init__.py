"""Views: from a result to printed lines and JSON fields; one module per verb."""
