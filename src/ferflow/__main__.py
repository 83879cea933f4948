"""`python -m ferflow` is `ferflow`."""

from ferflow.cli import main

main()
