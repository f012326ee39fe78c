"""What `best` and `front` found, for the terminal."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from rich.table import Table

from sweep.cli.tables import Page, add_lines, draw, with_error
from sweep.estimators import ESTIMATORS, NAMES, Estimator
from sweep.quantities.table import COLUMNS, OF_SPECTRA
from sweep.statistics.candidates import ROUNDING, ROUNDING_USUAL

_ESTIMATORS = (
    "the noise-free fit does not see what noise does to a fit on average, and flatters; "
    "see docs/science.md"
)

_FALLBACK = (
    "ranked by the noise-free fits, as not all experiments have the realisations or maps of the "
    "cross estimate"
)


def notes_of(table: Any) -> list[str]:
    """Lines that belong to a ranking: of suspect fits, of the estimator, of what is left out."""
    from sweep.statistics.suspects import warnings

    lines = list(warnings(table[~table.index.duplicated()]))
    lines += [_FALLBACK + (f": {label}" if label else "") for label in table.attrs["fallback"]]
    if table.attrs["left_out"]:
        each = [f"{count} ({why})" for why, count in table.attrs["left_out"].items()]
        lines.append(f"left out: {', '.join(each)}")
    return lines


def ranking_table(table: Any, notes: Sequence[str], page: Page) -> Table:
    """What `best` found; a line between those that are not to be compared."""
    metric = table.attrs["metric"]
    by_estimator, headings = _by_estimator(table, metric)
    more = [name for name in ("r_limit_95", "r") if name in table and name != metric]
    figures = [*(by_estimator or [metric]), "delta_to_best", "significance", *more]
    shown = draw(table, page, _counts(table), figures, headings)
    for row, (one, after) in enumerate(pairwise(table["comparison_group"])):
        shown.rows[row].end_section = one != after
    add_lines(shown, _compared(table), *notes)
    if table["tied"].any():
        level = ROUNDING.get(metric, ROUNDING_USUAL)
        add_lines(shown, f"tie: delta to best below {level:g} of the value, which is rounding")
    _explain(shown, metric, by_estimator, *more)
    return shown


def halves_table(table: Any, notes: Sequence[str], page: Page) -> Table:
    """What half of the realisations chose, as the other half see it."""
    metric = table.attrs["metric"]
    headings = {f"{metric}_choosing": f"{metric}\nas they see it", metric: f"{metric}\nmeasured"}
    figures = ["chosen_by", "measured_by", metric, f"{metric}_choosing"]
    figures += [name for name in ("runner_up", "delta_to_best", "significance") if name in table]
    headings["delta_to_best"] = "delta to best\nas measured"
    suspect = "suspect" in table and (table["suspect"] > 0).any()
    shown = draw(table, page, ("suspect",) if suspect else (), figures, headings)
    by = f" by the {NAMES[table['estimator'].iloc[0]]} estimate" if "estimator" in table else ""
    groups = table["comparison_group"] if "comparison_group" in table else [""] * len(table)
    for label, value, error in dict.fromkeys(
        zip(groups, table["quoted"], table["quoted_error"], strict=True)
    ):
        of = f"{label}: " if label else ""
        add_lines(shown, f"{of}{metric}{by}, mean of both ways: {with_error(value, error)}")
    add_lines(shown, *notes)
    _explain(shown, metric, [])
    return shown


def elsewhere_table(table: Any, notes: Sequence[str], page: Page) -> Table:
    """What was chosen in one store, as another sees it."""
    metric = table.attrs["metric"]
    headings = {
        f"{metric}_choosing": f"{metric}\nwhere chosen",
        metric: f"{metric}\nthere",
        "delta_to_best": "delta to\nbest there",
    }
    place = ["place"] if "place" in table else []  # of zones together there is none
    figures = [f"{metric}_choosing", metric, *place, "delta_to_best", "significance"]
    shown = draw(table, page, ("chosen",), figures, headings)
    add_lines(shown, _compared(table), *notes)
    _explain(shown, metric, [])
    return shown


def zones_table(table: Any, found: Any, notes: Sequence[str], page: Page) -> Table:
    """What `best_of_zones` found; `table` is its `table`."""
    counts = ("tried", *_counts(table))
    shown = draw(table, page, counts, ["alone", "residual_variance"])
    best, metric = found.best, found.metric
    together = [
        f"together, f_sky {best.residuals.sky_fraction:.3f}, "
        f"{_ratio_text(best.ratio, best.estimator)}",
    ]
    if best.other is not None:
        other: Estimator = "cross" if best.estimator == "noise_free" else "noise_free"
        together.append(f"beside it, {_ratio_text(best.other, other)}")
    together.append(
        f"{metric} {with_error(found.value, best.error)} from "
        f"{len(best.residuals.realisations)} realisations that all have; "
        "the best of each zone alone are "
        + (
            "the same"
            if found.best.experiments == found.alone.experiments
            else f"not: delta to best {with_error(found.delta_to_best, found.delta_to_best_error)}"
        )
    )
    add_lines(shown, *together, *notes)
    _explain(shown, metric, [] if best.other is None else list(ESTIMATORS), "r_limit_95")
    return shown


def front_table(table: Any, notes: Sequence[str], page: Page) -> Table:
    """What `front` found."""
    figures, headings = _by_estimator(table, "systematic")
    more = ["statistical", "on_front", "residual_variance", "cmb_variance"]
    shown = draw(table, page, _counts(table), [*figures, *more], headings)
    add_lines(shown, _compared(table), *notes)
    _explain(shown, "systematic", figures)
    return shown


def _compared(table: Any) -> str:
    counts = sorted(set(table["compared"]))
    each = " or ".join(map(str, counts))
    of = " of their group" if len(counts) > 1 else ""
    most = int(table["usable"].max()) if "usable" in table else 0
    more = f"; --at-least {most} ranks those that have more" if most >= 2 * counts[-1] else ""
    return f"compared on the {each} realisations that all{of} have{more}"


def _ratio_text(ratio: Any, estimator: Any) -> str:
    return (
        f"by the {NAMES[estimator]} estimate: r = {ratio.r:.3e} +{ratio.plus:.1e} "
        f"-{ratio.minus:.1e}, r + sigma {ratio.upper_68:.3e}, "
        f"below {ratio.limit_95:.3e} (95 %, r >= 0)"
    )


def _by_estimator(table: Any, metric: str) -> tuple[list[str], dict[str, str]]:
    """Columns of a metric by each estimator that is known, that which ranks first, and headings."""
    if "estimator" not in table:
        return [], {}
    columns = {e: f"{metric}_{e}" for e in ESTIMATORS}
    known: list[Estimator] = [e for e in ESTIMATORS if table[columns[e]].notna().any()]
    ranking = set(table["estimator"])
    known.sort(key=lambda e: e not in ranking)
    headings = {}
    unit = "" if COLUMNS[metric].unit == "1" else COLUMNS[metric].unit
    for each in known:
        heading = metric if each == known[0] else ""
        mark = f"{NAMES[each]}, ranks" if each in ranking else NAMES[each]
        headings[columns[each]] = "\n".join(part for part in (heading, mark, unit) if part)
    return [columns[e] for e in known], headings


def _counts(table: Any) -> tuple[str, ...]:
    """The columns that say how fits ended."""
    names = ["converged" if "converged" in table else "usable"]  # an import does not say it
    if table["unusable"].any():
        names.append("unusable")
    if "suspect" in table and (table["suspect"] > 0).any():
        names.append("suspect")
    return tuple(names)


def _explain(shown: Table, metric: str, by_estimator: Sequence[str], *others: str) -> None:
    """Say what a limit is, and what the estimators miss, where both are shown."""
    limits = dict.fromkeys(name for name in (metric, *others) if name.startswith("r_"))
    if limits:
        add_lines(shown, "; ".join(f"{name} is {COLUMNS[name].about}" for name in limits))
    if len(by_estimator) > 1 and metric in (*OF_SPECTRA, "systematic"):
        add_lines(shown, _ESTIMATORS)
