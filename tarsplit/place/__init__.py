"""Places of deliveries: folders of this machine and, by fsspec, object stores and folders of other machines."""
