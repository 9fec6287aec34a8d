"""Volatility: realized, implied, ranked and forecast; pure functions of arrays."""
