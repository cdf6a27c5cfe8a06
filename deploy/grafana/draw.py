"""Writes the dashboards from the tables below: `python deploy/grafana/draw.py`.

A test holds the files to the tables, and every metric that is asked for to what the parts show.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "counterpoint"}
ROW, HEIGHT, WIDTH = 3, 8, 24


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: its title, what is drawn (query, legend), and the unit as Grafana names it."""

    title: str
    drawn: tuple[tuple[str, str], ...]
    unit: str = "short"


def of(name: str, more: str = "") -> str:
    """Return the selector of an executor's metric."""
    labels = ",".join(each for each in ('executor=~"$executor"', more) if each)
    return f"counterpoint_{name}{{{labels}}}"


def quantile(share: float, name: str, by: str) -> str:
    """Return the query of a quantile over the last minutes; `name` is of the buckets."""
    return f"histogram_quantile({share:g}, sum by ({by}, le) (rate({name}[5m])))"


def times(name: str) -> tuple[tuple[str, str], ...]:
    """Return median and 99 of 100 of an executor's histogram."""
    bucket = of(f"{name}_bucket")
    return (
        (quantile(0.5, bucket, "executor"), "{{executor}} median"),
        (quantile(0.99, bucket, "executor"), "{{executor}} 99 of 100"),
    )


WHO: Final = "{{executor}}"
TRADING: Final = (
    Panel("Profit, quote asset", ((of("profit_quote"), WHO),)),
    Panel("What profit is made of", ((of("profit_part_quote"), f"{WHO} {{{{part}}}}"),)),
    Panel("Equity, quote asset", ((of("equity_quote"), WHO),)),
    Panel("Position beyond the target, base asset", ((of("position_base"), WHO),)),
    Panel("Used of each limit", ((of("limit_used_ratio"), f"{WHO} {{{{limit}}}}"),), "percentunit"),
    Panel(
        "Risk state, stops, pauses",
        (
            (f"{of('risk_state')} > 0", f"{WHO} {{{{state}}}}"),
            (of("stopped"), f"{WHO} stopped"),
            (of("paused"), f"{WHO} paused"),
            (of("alone"), f"{WHO} alone"),
        ),
    ),
    Panel(
        "Orders and cancels a second",
        (
            (f"rate({of('orders_submitted_total')}[1m])", f"{WHO} {{{{side}}}}"),
            (f"rate({of('cancels_submitted_total')}[1m])", f"{WHO} cancels"),
        ),
        "ops",
    ),
    Panel("Open orders", ((of("open_orders"), WHO),)),
    Panel(
        "Fills and round trips",
        ((of("fills_total"), f"{WHO} fills"), (of("round_trips_total"), f"{WHO} round trips")),
    ),
    Panel(
        "Orders that the gate refused, a minute",
        ((f"60 * rate({of('orders_refused_total')}[5m]) > 0", f"{WHO} {{{{limit}}}}"),),
    ),
    Panel("Parameters in force", ((of("parameter"), f"{WHO} {{{{name}}}}"),)),
    Panel(
        "Newest decision applied",
        (
            (of("param_version"), f"{WHO} version"),
            (of("param_epoch"), f"{WHO} epoch"),
            (of("baseline_in_force"), f"{WHO} baseline"),
        ),
    ),
    Panel("Kelly's share of base_quantity", ((of("size_ratio"), WHO),), "percentunit"),
    Panel("Time to decide", times("decision_cycle_seconds"), "s"),
    Panel("Time to an order's answer", times("order_ack_seconds"), "s"),
    Panel("Age of the feed", ((of("feed_age_seconds"), WHO),), "s"),
    Panel(
        "Venue",
        (
            (of("venue_connected"), f"{WHO} connected"),
            (of("market_closed"), f"{WHO} closed"),
            (of("late"), f"{WHO} late"),
        ),
    ),
    Panel("Sessions lost", ((of("venue_losses_total"), WHO),)),
)
OURS: Final = '{job="counterpoint"}'
PLACE: Final = "{{instance}}"
SYSTEM: Final = (
    Panel("Alerts", (('ALERTS{alertstate="firing"}', "{{alertname}} {{executor}} {{instance}}"),)),
    Panel("Who answers", ((f"up{OURS}", PLACE),)),
    Panel("Age of each process", ((f"time() - process_start_time_seconds{OURS}", PLACE),), "s"),
    Panel("Memory", ((f"process_resident_memory_bytes{OURS}", PLACE),), "bytes"),
    Panel("Processor", ((f"rate(process_cpu_seconds_total{OURS}[1m])", PLACE),), "percentunit"),
    Panel("Open files", ((f"process_open_fds{OURS}", PLACE),)),
    Panel(
        "Mode and its changes",
        (("counterpoint_mode > 0", "{{state}}"), ("counterpoint_generation", "generation")),
    ),
    Panel(
        "Since a decision, and since an answer",
        (
            ("counterpoint_decision_age_seconds", "decision"),
            ("counterpoint_answer_age_seconds", "{{seat}}"),
        ),
        "s",
    ),
    Panel(
        "Updates refused, an hour",
        (
            ("increase(counterpoint_updates_refused_total[1h]) > 0", "{{code}}"),
            ("increase(counterpoint_answers_refused_total[1h]) > 0", "{{seat}} {{code}}"),
        ),
    ),
    Panel(
        "Entries of the decision log, an hour",
        (("increase(counterpoint_log_entries_total[1h]) > 0", "{{kind}}"),),
    ),
    Panel(
        "Seats",
        (
            ("counterpoint_seat_reliability_ratio", "{{seat}} reliability"),
            ("counterpoint_seat_benched", "{{seat}} benched"),
        ),
        "percentunit",
    ),
    Panel(
        "Time to search",
        ((quantile(0.5, "counterpoint_search_seconds_bucket", "seat"), "{{seat}} median"),),
        "s",
    ),
    Panel(
        "Candidates replayed a minute",
        (("60 * rate(counterpoint_candidates_total[10m])", "{{seat}}"),),
    ),
    Panel(
        "Confidence of the newest answer",
        (("counterpoint_confidence_ratio", "{{seat}}"),),
        "percentunit",
    ),
    Panel(
        "Control frames a second", (("rate(counterpoint_frames_total[1m])", "{{outcome}}"),), "ops"
    ),
    Panel(
        "Guardian",
        (
            ("counterpoint_guardian_exchange_reached", "reaches the exchange"),
            ("counterpoint_guardian_watching", "hears the beat"),
            ("counterpoint_guardian_alarmed", "alarmed"),
        ),
    ),
    Panel("The executor's silence", (("counterpoint_guardian_silent_seconds", "{{symbol}}"),), "s"),
    Panel(
        "Desk: how old is what it shows",
        (
            ("counterpoint_desk_heard_age_seconds", "{{member}}"),
            ("counterpoint_desk_store_failing", "store fails"),
        ),
        "s",
    ),
    Panel(
        "Simulated exchange",
        (
            ("rate(counterpoint_exchange_trades_total[1m])", "trades a second {{symbol}}"),
            ("counterpoint_exchange_open_orders", "open orders {{symbol}}"),
            ("counterpoint_exchange_connections", "connections"),
        ),
    ),
)


def chart(number: int, panel: Panel) -> dict[str, Any]:
    """Return a panel as Grafana reads it; `number` counts from 0."""
    width = WIDTH // ROW
    place = {"x": width * (number % ROW), "y": HEIGHT * (number // ROW), "w": width, "h": HEIGHT}
    targets = [
        {"datasource": SOURCE, "expr": query, "legendFormat": legend, "refId": chr(65 + index)}
        for index, (query, legend) in enumerate(panel.drawn)
    ]
    return {
        "id": number + 1,
        "title": panel.title,
        "type": "timeseries",
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        },
        "targets": targets,
    }


def board(name: str, panels: tuple[Panel, ...], variables: list[Any]) -> dict[str, Any]:
    """Return a dashboard."""
    return {
        "uid": f"counterpoint-{name}",
        "title": f"counterpoint: {name}",
        "tags": ["counterpoint"],
        "timezone": "utc",
        "schemaVersion": 38,
        "version": 1,
        "refresh": "5s",
        "editable": False,
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables},
        "annotations": {"list": []},
        "panels": [chart(number, panel) for number, panel in enumerate(panels)],
    }


CHOICE: Final = {
    "name": "executor",
    "type": "query",
    "datasource": SOURCE,
    "query": "label_values(counterpoint_equity_quote, executor)",
    "refresh": 2,
    "includeAll": True,
    "multi": True,
    "current": {"text": "All", "value": "$__all"},
}


def boards() -> dict[str, str]:
    """Return every dashboard as JSON, by the name of its file."""
    made = {"trading": board("trading", TRADING, [CHOICE]), "system": board("system", SYSTEM, [])}
    return {f"{name}.json": json.dumps(each, indent=1) + "\n" for name, each in made.items()}


if __name__ == "__main__":
    for file, text in boards().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
