"""Parsers and state files against bytes that nobody meant; `python -m tests.fuzz` goes on for longer."""
