"""The `autorecovery` command, over a deployed stack or one machine; both are loaded lazily."""
