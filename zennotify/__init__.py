"""zennotify turns Zenoti webhooks into the right message for the right person."""

__version__ = "0.1.0"
