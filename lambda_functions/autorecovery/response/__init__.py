"""Response: the life of one incident, from the first notice until it is over."""
