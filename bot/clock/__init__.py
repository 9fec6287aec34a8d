"""The market's clock in the bot: when a run is due, what was done about it, and who does it."""
