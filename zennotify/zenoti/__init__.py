"""All that only Zenoti has; nothing else of zennotify knows how its webhooks look.

::

    envelope  shape  signature    what a body says, and who sent it
    event  aliases                the Event of it
    catalog  codes  fields        what each type's fields are and mean;  sample, story: documented events
    things                        what an event says of a guest, a class, a booking, ...
    facts  memory  offset         what is remembered of them
    names                         all of it, as rules and templates name it
    api  lookup  answers  limit   Zenoti's API, for names that no event taught
    belongings  mention           what is a guest's, for forgetting
"""
