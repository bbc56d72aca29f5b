"""Where model weights come from, and whether they are what they should be."""
