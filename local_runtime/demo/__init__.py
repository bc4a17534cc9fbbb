"""A rehearsal on this machine: a real service falls sick, and the real system heals it."""
