"""The maskbus client."""
