"""What do the rule files, templates and centres mean?  Files -> Sources -> compiled rules, or every error at once.

Called by cli and app.  Sources can be kept in the store and compiled again without the files.

::

    sources -> compile -> onerule    entry     what can stand in a rule
                                       timekeys  below the keys that know time
                                       values    single values
                                     clauses   paths, operators, regexes
                                     timed     the keys that know time, for the core
                                     roles     whom a rule tells, and where nobody
                                     remarks   what is said of a rule, and where
                                     shared    what all rules of a set share
                                     examine   holds the rule against the catalog:
                                       findings   what is wrong, and how sure it is
                                       scope      which events it can meet, and what they carry
                                       meant      what was probably meant instead
                                       words      what can never be equal
               between               what rules say of each other
    used                             which fields a rule uses, for doctor
"""

from zennotify.rulefile.compile import CompiledRules, compile_rules
from zennotify.rulefile.sources import Sources, read_sources

__all__ = ["CompiledRules", "Sources", "compile_rules", "read_sources"]
