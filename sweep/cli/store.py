"""The `sweep-store` command: look at a store, from any terminal, while it is being filled."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import sweep
from sweep.cli.caches import add_cache
from sweep.cli.importing import add_importing
from sweep.cli.observed import add_observed
from sweep.cli.plot import add_plot
from sweep.cli.report import add_report
from sweep.cli.science import add_commands
from sweep.cli.status import WATCH_SECONDS, show_status
from sweep.cli.tables import add_table_options, console, say, show, summary_table
from sweep.errors import ConfigError, StoreError, SweepError
from sweep.paths import check_home, refuse_address
from sweep.statistics.failures import failure_lines
from sweep.store import Store, compact, seal, verify


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; exit status as in `sweep.errors`."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except SweepError as error:
        console(stderr=True).print(
            f"sweep-store: {error}", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader, `head` say, has seen enough
        sys.stderr.close()


def _run(options: argparse.Namespace) -> None:
    for name in ("output", "folder"):
        refuse_address(name, getattr(options, name, None) or "")
    try:
        options.command(options)
    except RuntimeError:  # what is imported for some commands wants a home
        check_home()
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sweep-store", description=__doc__)
    parser.add_argument("--version", action="version", version=f"skysweep {sweep.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, command, text: str) -> argparse.ArgumentParser:  # noqa: ANN001
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("store", metavar="PATH", help="a store, e.g. runs/grid.zarr")
        sub.set_defaults(command=command)
        return sub

    status = add("status", _status, "how much is recorded, how fits ended, what failed, who writes")
    status.add_argument(
        "--watch",
        metavar="SECONDS",
        type=float,
        nargs="?",
        const=WATCH_SECONDS,
        help=f"look again, every {WATCH_SECONDS:g} s by default, until all is recorded or Ctrl-C",
    )
    status.add_argument("--errors", action="store_true", help="the newest traceback of each kind")
    status.add_argument("--json", action="store_true", help="all of it as one object")
    table = add("summary", _summary, "statistics of every experiment over its realisations")
    table.add_argument("--sort", metavar="COLUMN", help="column to sort by, e.g. cmb_variance")
    table.add_argument("--reverse", action="store_true", help="largest first")
    add_table_options(table)
    add("verify", _verify, "rehash what is recorded; what is damaged is computed again next time")
    add("seal", _seal, "write into the store itself what is done, so that a copy of it says so")
    add("compact", _compact, "finished units into few large files, journals into one")
    add_plot(add)
    add_commands(add)
    add_observed(add)
    add_report(add)
    add_importing(commands)
    add_cache(commands)
    return parser


def _status(options: argparse.Namespace) -> None:
    show_status(options.store, options.watch, as_json=options.json, errors=options.errors)


def _summary(options: argparse.Namespace) -> None:
    from sweep.statistics.summary import summary
    from sweep.store import open_dataset

    table: Any = summary(open_dataset(options.store))
    if options.sort is not None:
        if options.sort not in table:
            raise ConfigError(
                f"--sort {options.sort}: no such column; choose from {', '.join(table.columns)}"
            )
        table = table.sort_values(options.sort, ascending=not options.reverse, kind="stable")
    elif options.reverse:
        table = table[::-1]
    _show(table, options)


def _show(table: Any, options: argparse.Namespace) -> None:
    show(table, options, lambda page: summary_table(table, page))
    if not options.json:
        for line in failure_lines(Store(options.store)):
            say(line)


def _verify(options: argparse.Namespace) -> None:
    report = verify(options.store)
    say(f"{report.checked} recorded units checked")
    for line in [*report.metadata, *map(str, report.damage)]:
        say(f"damaged: {line}")
    for leftover in report.leftovers:
        say(f"left over by a killed writer, harmless: {leftover}")
    if report.skipped_lines:
        say(f"{report.skipped_lines} torn journal lines ignored")
    if report.clean:
        say("clean")
        return
    remedy = "run the sweep again to compute them anew" if report.retracted else "restore a copy"
    raise StoreError(f"{len(report.damage) + len(report.metadata)} damaged; {remedy}")


def _seal(options: argparse.Namespace) -> None:
    seal(options.store)
    say(f"sealed: {len(Store(options.store).done_units())} units")


def _compact(options: argparse.Namespace) -> None:
    report = compact(options.store)
    say(f"compacted: {len(report.compacted)} segments; {report.before} files, now {report.after}")
    if report.journals:
        say(f"{report.journals} journals became one")
    for name in report.unfinished:
        say(f"left as it is, units of it are missing: {name}")


if __name__ == "__main__":
    main()
