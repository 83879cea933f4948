"""Registered versions, the gate, and the champion."""
