"""The networks, as torch modules and as what their runtimes make of them. Imported by handlers, in workers only."""
