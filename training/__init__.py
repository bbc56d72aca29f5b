"""What makes the networks that the package ships; no part of the package."""
