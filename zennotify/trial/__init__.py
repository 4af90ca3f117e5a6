"""One rule tried on one event: how far the event comes, and what each channel would get.  Nothing is kept.

Called by `zennotify preview` and `send --rule`.
"""

from zennotify.trial.stages import Stage
from zennotify.trial.trial import SHORT_ID, Draft, Outlet, Told, Trial, Trials

__all__ = ["SHORT_ID", "Draft", "Outlet", "Stage", "Told", "Trial", "Trials"]
