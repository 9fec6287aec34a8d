"""Names measured against each other."""
