"""From results to neutral cards, and from cards to embeds, charts and CSV. No engine call, no command."""
