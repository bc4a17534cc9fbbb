"""Notices a sick server, tells people, runs the right recovery once, and proves that it worked."""
