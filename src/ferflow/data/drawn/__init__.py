"""Drawn faces: the embedded sample."""
