"""The maskbus wire contract."""
