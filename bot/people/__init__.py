"""What people and servers entrust to the bot: kept apart, theirs alone, gone when they say so."""
