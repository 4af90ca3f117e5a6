"""Carries deliveries to their channels: claim, render, send, settle.

Each channel has a carrier of its own with its own threads, so that a slow or broken channel harms only itself.  A
carrier sleeps until something is due or somebody wakes it; it never polls.

    claim    take the oldest due deliveries under a lease                 (the carrier's task)
    begin    render, and keep the attempt with its text before anything leaves the house
    send     hand it to the provider                                      (one of the channel's threads)
    settle   keep the outcome: delivered, dead, or due again later

A crash after `begin` leaves an attempt without an outcome: at the next start, or when its lease ends, it is
recorded as unknown, and the channel's `on_unknown` says what becomes of the delivery.

::

    outbox    all carriers, what they ask of the writer, and what returns the deliveries of the dead
      ->  carrier    one channel's deliveries          ->  gate    its pause and its rates
      ->  lanes      what carriers ask of the writer
      ->  words      what the owners read of a dead message and a paused channel
    way       a channel and how hard it may be used
"""

from zennotify.outbox.outbox import Outbox
from zennotify.outbox.way import Channel, Render, Way

__all__ = ["Channel", "Outbox", "Render", "Way"]
