"""Cameras, subscribers and nodes of `bench/streams.py`, each in a process of its own."""
