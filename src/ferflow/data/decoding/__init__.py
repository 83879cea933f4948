"""Encoded pictures of strangers: headers checked, pixels decoded in a process of their own."""
