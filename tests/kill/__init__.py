"""`make kill`: the real process killed at random instants between a run's plan and its end, and counted."""
