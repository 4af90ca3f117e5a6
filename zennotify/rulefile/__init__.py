"""What do the rule files, templates and centres mean?  Files -> Sources -> compiled rules, or every error at once.

Called by cli and app.  Sources can be kept in the store and compiled again without the files.
"""

from zennotify.rulefile.compile import CompiledRules, compile_rules
from zennotify.rulefile.sources import Sources, read_sources

__all__ = ["CompiledRules", "Sources", "compile_rules", "read_sources"]
