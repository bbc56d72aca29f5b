"""Where workers live: processes on this machine, watched and restarted."""
