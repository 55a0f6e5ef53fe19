"""The errors a user can cause; each is shown as one line, never as a traceback."""


class DybenchError(Exception):
    """Something the user asked for cannot be had; the message is the line they read."""


class UsageError(DybenchError):
    """The command line asked for something that makes no sense (exit code 2)."""


class ReportError(DybenchError):
    """A report cannot be read or written."""
