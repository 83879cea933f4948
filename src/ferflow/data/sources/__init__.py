"""What a user names as a source of images, read into one table."""
