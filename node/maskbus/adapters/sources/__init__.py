"""Where the frames of streams come from: files, devices, and what others send. None of it knows of nodes."""
