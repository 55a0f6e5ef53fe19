"""The errors a user can cause; each is shown as one line, never as a traceback."""


class DybenchError(Exception):
    """Something the user asked for cannot be had; the message is the line they read."""

    exit_code = 1


class UsageError(DybenchError):
    """The command line asked for something that makes no sense."""

    exit_code = 2


class ReportError(DybenchError):
    """A report cannot be read or written."""


class InterruptedRunError(DybenchError):
    """The user pressed Ctrl-C; the message is what is kept."""

    exit_code = 130
