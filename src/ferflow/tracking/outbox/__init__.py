"""Runs written here first, and their way to a store."""
