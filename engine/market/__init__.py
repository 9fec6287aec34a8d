"""Markets: the Snapshot every provider fills, and the providers."""
