"""The proof: what became of the calls, on the own record and on any past."""
