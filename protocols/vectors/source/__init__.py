"""Where the golden messages come from."""
