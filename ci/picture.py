"""Draws the panels of a dashboard, with what Prometheus has answered, as Grafana would."""

import re
from datetime import datetime, timezone

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.dates import DateFormatter
from matplotlib.ticker import EngFormatter

# Inches of a unit of Grafana's grid, of which the page is 24 wide.
WIDE, HIGH = 0.75, 0.38
UNITS = {"ops": "/s", "s": "s", "bytes": "B"}


def draw(panels, path):
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in panels)
    page = plt.figure(figsize=(24 * WIDE, height * HIGH), dpi=60, facecolor="white")
    for panel, queries in panels:
        at = panel["gridPos"]
        left, top = at["x"] / 24, 1 - at["y"] / height
        if panel["type"] == "row":
            page.text(left + 0.005, top - 0.8 / height, panel["title"], fontsize=13, fontweight="bold")
            continue
        # Room for the title above and the times below.
        plot = page.add_axes((left + 0.04, top - (at["h"] - 1.6) / height, at["w"] / 24 - 0.05, (at["h"] - 2.8) / height))
        plot.set_title(panel["title"], fontsize=10, loc="left")
        for legend, series in queries:
            for one in series:
                times = [datetime.fromtimestamp(time, timezone.utc) for time, _ in one["values"]]
                values = [float(value) for _, value in one["values"]]
                plot.plot(times, values, linewidth=1.2, label=named(legend, one["metric"]))
        # The legend stands above the lines.
        plot.set_ylim(bottom=0, top=plot.get_ylim()[1] * 1.5)
        plot.grid(color="#dddddd", linewidth=0.5)
        plot.tick_params(labelsize=7)
        plot.xaxis.set_major_formatter(DateFormatter("%M:%S"))
        plot.yaxis.set_major_formatter(EngFormatter(UNITS.get(panel["fieldConfig"]["defaults"]["unit"], "")))
        plot.legend(fontsize=6, loc="upper left", framealpha=0.6, ncols=2)
    page.savefig(path)
    print(f"ops: {path} is drawn")


def named(legend, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda label: labels.get(label[1], ""), legend)
