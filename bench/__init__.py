"""Benchmarks: ratios measured within one run, never wall-clock asserted in a test."""
