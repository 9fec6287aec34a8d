"""The numbers of Variance: markets in, a judged table out. Knows no Discord and no wall clock."""

__version__ = "0.1.0"
