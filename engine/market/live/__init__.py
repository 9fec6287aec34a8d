"""The live market: sources behind one protocol, their manners, their memory, and the merging of them."""
