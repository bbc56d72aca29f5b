"""The built-in models, and how installed ones are found."""
