"""Several processes of one node: who owns sockets and state, starts workers and speaks for them."""
