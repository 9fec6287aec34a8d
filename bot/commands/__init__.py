"""Slash commands, one cog a family."""
