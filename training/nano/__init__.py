"""Make the network of the handler `nano`: README.md tells how."""
