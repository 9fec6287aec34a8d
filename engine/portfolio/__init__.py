"""A person's own book: positions read, grouped, valued, stressed and judged (methodology 7)."""
