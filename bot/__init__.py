"""The Discord side of Variance: parse, ask the engine off the event loop, draw."""
