"""Recordings: what a node publishes, written to an MCAP file and played again. See docs/recording.md."""
