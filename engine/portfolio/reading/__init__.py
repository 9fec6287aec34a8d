"""A book as people type it and as brokers write it."""
