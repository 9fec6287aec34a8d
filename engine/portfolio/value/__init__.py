"""What a leg is worth on a market: its quote, its volatility, its price and its greeks."""
