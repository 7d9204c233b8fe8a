"""One module per provider dialect."""
