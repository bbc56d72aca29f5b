"""What runs in a worker process: one model, one job at a time."""
