"""`zennotify deliveries ack`: somebody takes care of what a message told of."""

from __future__ import annotations
