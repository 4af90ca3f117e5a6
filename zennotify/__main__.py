"""`python -m zennotify`."""

from zennotify.cli import main

main()
