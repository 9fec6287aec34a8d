"""From a panel to a judged table: measure, gates, score, signal, screen."""
