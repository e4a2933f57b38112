"""The learner's data: reading, checking, counting tokens.

`check` is imported here at once (it needs the standard library only): the function
and its module share the name, and the function must win whoever imports first.
"""

from .check import check
from .findings import Finding, Report

__all__ = ["Finding", "Report", "check"]
