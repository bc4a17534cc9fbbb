"""One machine, no account: the same core over SQLite, bash and the SDK's own local runner."""
