"""What tests are made with: worlds, reductions, disks that fail, commands as users run them."""
