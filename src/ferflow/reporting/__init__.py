"""Figures, pictures and pages made of results; no computing of results here."""
