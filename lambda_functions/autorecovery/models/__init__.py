"""The words of the product as types: what is seen, what is ruled, what is done and told."""
