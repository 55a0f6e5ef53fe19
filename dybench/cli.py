"""The `dybench` command: wiring only. Each command is a file of `dybench.commands`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dybench import __version__
from dybench.commands.check import check
from dybench.commands.compare import compare
from dybench.commands.doctor import doctor
from dybench.commands.list import list_upsamplers
from dybench.commands.models import models
from dybench.commands.plot import plot
from dybench.commands.run import run
from dybench.commands.table import table
from dybench.errors import DybenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

# Typer has its own copy of click since 0.20 and exports only the ends of its class tree.
ClickException: type[Exception] = next(
    cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException"
)

app = typer.Typer(
    name="dybench",
    help="Measure feature upsamplers: parameters, FLOPs, peak memory and latency.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run)
app.command("plot")(plot)
app.command("table")(table)
app.command("compare")(compare)
app.command("check")(check)
app.command("list")(list_upsamplers)
app.command("models")(models)
app.command("doctor")(doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dybench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Measure feature upsamplers: parameters, FLOPs, peak memory and latency."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `dybench`; whatever the user got wrong is one line on stderr, never a traceback.

    Returns:
        0 fine, 1 failed, 2 wrong usage, 3 regression, 4 inconclusive, 130 interrupted.
    """
    command = typer.main.get_command(app)
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = command.main(words, prog_name="dybench", standalone_mode=False)
        sys.stdout.flush()
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", INTERRUPTED)
    except DybenchError as error:
        return _complain(str(error), error.exit_code)
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as error:  # Typer's answer to a broken pipe
        if isinstance(error.__context__, BrokenPipeError):
            return _reader_left()
        return _complain(f"an upsampler's code ended the program ({error.code})", FAILED)
    except OSError as error:
        return _complain(str(error), FAILED)
    except ClickException as error:
        return _complain(error.format_message(), WRONG_USAGE)  # type: ignore[attr-defined]
    if code == INTERRUPTED:  # Typer's answer to Ctrl-C
        return _complain("interrupted", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _reader_left() -> int:
    """Let what is still in the buffer go: `dybench table | head` has read enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _complain(line: str, code: int) -> int:
    text = " ".join(line.split())
    print(f"dybench: {text}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
