"""Cameras that are not there: frames of moving shapes, and the true mask of each.

Nothing in here knows of nodes and streams; `maskbus simulate` does.
"""
