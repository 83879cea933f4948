"""The five stages: paths in, paths out, a report out. Each is one function `run`."""
