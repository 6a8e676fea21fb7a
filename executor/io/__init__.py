"""The one seam through which a disk is changed."""
