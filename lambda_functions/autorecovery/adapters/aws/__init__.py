"""Adapters for AWS: one class per service, whose words and errors stop here."""
