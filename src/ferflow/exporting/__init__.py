"""The export folder: its files and its model card."""
