"""Measurements, one command each; `make bench` runs them."""
