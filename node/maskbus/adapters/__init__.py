"""Other ways to a node than its sockets."""
