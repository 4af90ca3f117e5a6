"""Decides what kept events mean, in the writer's next transaction and in order.

::

    decider  which events are decided when: the queue, what was left by a crash, what happens after the commit
    turn     one transaction: events in order, and between them the timers that are due
    batch    what is decided at once, and kept
    waiting  the deliveries that wait for a name
"""

from zennotify.decider.decider import MOST_TRIES, Decider, Fires

__all__ = ["MOST_TRIES", "Decider", "Fires"]
