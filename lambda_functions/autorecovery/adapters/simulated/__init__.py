"""The world without a world: a virtual clock and a workflow on it, for dry runs and tests."""
