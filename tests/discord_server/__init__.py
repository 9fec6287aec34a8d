"""Discord on loopback: as much of its REST and gateway as the real bot in its own process speaks to."""
