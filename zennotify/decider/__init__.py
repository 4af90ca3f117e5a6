"""Decides what kept events mean, in the writer's next transaction and in order.

::

    decider  which events are decided when: the queue, what was left by a crash, what happens after the commit
    batch    what one transaction decides and keeps
    waiting  the deliveries that wait for a name
"""

from zennotify.decider.decider import MOST_TRIES, Decider

__all__ = ["MOST_TRIES", "Decider"]
