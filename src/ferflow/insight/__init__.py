"""What the scored images say: labels that are likely wrong, and kinds of images that are hard."""
