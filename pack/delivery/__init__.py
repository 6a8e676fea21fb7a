"""`pack tarsplit`: making and checking a delivery, and what is shown of it."""
