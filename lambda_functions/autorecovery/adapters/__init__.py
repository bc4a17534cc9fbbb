"""Answers to the ports, one class per technology; words of AWS and of SQLite stop here."""
