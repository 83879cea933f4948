"""Images and their index: sources, face filter, duplicates, split. Needs no Keras."""
