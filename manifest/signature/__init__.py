"""SSH signatures of manifests and sidecars, made and checked by OpenSSH's `ssh-keygen`."""
