"""All that only Zenoti has; nothing else of zennotify knows how its webhooks look."""
