"""Members of archives and folders, read one by one, within bounds."""
