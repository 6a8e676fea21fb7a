"""Object stores and folders of other machines, by fsspec: where a delivery is sent to, and checked."""
