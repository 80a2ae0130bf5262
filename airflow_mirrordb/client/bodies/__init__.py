"""What goes into bodies, and what comes out of them."""
