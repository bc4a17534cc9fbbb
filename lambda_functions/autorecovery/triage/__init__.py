"""Triage: from any delivery to claimed incidents whose responses run."""
