"""`pack tarsplit`: write a delivery, check a delivery, and print the result."""
