"""A made-up market with known truth: same seed and session, same quotes, everywhere."""

from engine.market.simulated.markets import SimulatedMarkets
from engine.market.simulated.provider import BENCHMARK, FIRST_SESSION, SimulatedMarket, Truth

__all__ = ["BENCHMARK", "FIRST_SESSION", "SimulatedMarket", "SimulatedMarkets", "Truth"]
