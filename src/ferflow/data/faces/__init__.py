"""Detectors of faces, and the cascade of looks of the face filter."""
