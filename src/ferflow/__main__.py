"""`python -m ferflow` is `ferflow`."""

from ferflow.cli.app import main

main()
