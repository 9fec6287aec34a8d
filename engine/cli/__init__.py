"""`variance`: the engine on the command line."""

from engine.cli.app import main

__all__ = ["main"]
