#!/usr/bin/env python3
"""Has Prometheus judge metrics, alerts and dashboard: `ops.py CHAOS` tries ops/ and watches a run.

`ops.py CHAOS record` records ops/recorded-test.yml, `ops.py CHAOS draw` draws docs/dashboard.png of the run that it watches.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

CONFIG, RULES = "ops/prometheus.yml", "ops/alerts.yml"
DASHBOARD, PICTURE = "ops/grafana.json", "docs/dashboard.png"
TESTS, RECORDED = "ops/alerts-test.yml", "ops/recorded-test.yml"
# The target of CONFIG, and where Prometheus itself answers.
TARGET, ASKED = "127.0.0.1:9464", "127.0.0.1:9463"
# Seconds: how long chaos runs, and for a picture, how long it is waited for beyond that, and how long its metrics stay.
RUN, DRAWN, PATIENCE, HOLD = 30, 120, 300, 60
# What a recording has: its interval and length in seconds, what is in it, and the rules that fire on it.
EVERY, LENGTH = 5, 240
SERIES = re.compile(
    r"resident_(worker_losses_total|devices_lost_total|supervisor_restarts_total|dead_letters_total)\b"
)
FIRE = ["DeadLetters", "DeviceLost", "RestartStorm", "WorkerLostTwice"]


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def ask(api, **parameters):
    """What Prometheus answers."""
    return json.loads(get(f"http://{ASKED}/api/v1/{api}?{urllib.parse.urlencode(parameters, doseq=True)}"))["data"]


def query(expression):
    """The value of an expression that has one; None while it has none."""
    result = ask("query", query=expression)["result"]
    return float(result[0]["value"][1]) if result else None


def until(what, condition, patience=PATIENCE):
    """Asks again until the answer is yes."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"ops: {what} did not come true within {patience} s")
        time.sleep(1)


def answers(url):
    try:
        return bool(get(url))
    except OSError:
        return False


def chaos(program, seconds, log):
    asked = ["--seconds", str(seconds), "--device", "cpu", "--metrics", TARGET, "--hold", str(HOLD), "--checkpoint-every", "500", "--json"]
    return subprocess.Popen([program, *asked], stdout=log, stderr=subprocess.STDOUT)


def report(running, log):
    """What chaos says at its end; its metrics stay a while."""

    def last():
        lines = log.read_text().splitlines() if log.exists() else []
        return next((line for line in reversed(lines) if line.startswith("{")), None)

    until("chaos's report", lambda: last() or running.poll() is not None)
    return json.loads(last() or sys.exit(f"ops: chaos has said nothing:\n{log.read_text()}"))


def watch(program, folder, draw=None):
    log = Path(folder) / "chaos.log"
    command = ["prometheus", f"--config.file={CONFIG}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={ASKED}"]
    began = time.time()
    with log.open("w") as said, (Path(folder) / "prometheus.log").open("w") as told:
        running = None
        prometheus = subprocess.Popen(command, stdout=told, stderr=told)
        try:
            # What is lost ahead of the first scrape is no increase to Prometheus, and fires nothing.
            until("Prometheus", lambda: answers(f"http://{ASKED}/-/ready"))
            running = chaos(program, DRAWN if draw else RUN, said)
            until("a scrape", lambda: query('up{job="resident"}') == 1)
            own = report(running, log)
            dead = next(account for account in own["accounts"] if account["what"] == "dead letters")
            wanted = {
                'sum(resident_worker_losses_total{system="resident"})': own["losses"],
                "sum(resident_supervisor_escalations_total)": own["escalations"],
                'sum(resident_dead_letters_total{system="resident"})': int(dead["numbers"].split()[0]),
                'sum(resident_device_up) + sum(resident_actors_running)': 0,
                'max(max_over_time(ALERTS{alertname="ResidentWorkerLostTwice",alertstate="firing"}[5m]))': 1,
            }
            for expression, value in wanted.items():
                until(f"{expression} == {value}, it is {query(expression)}", lambda: query(expression) == value, HOLD / 2)
                print(f"ops: {expression} is {value:g}")
            panels = dashboard(began)
            page = get(f"http://{TARGET}/metrics")
        finally:
            for process in filter(None, (running, prometheus)):
                process.kill()
                process.wait()
    subprocess.run(["promtool", "check", "metrics"], input=page, text=True, check=True)
    if draw:
        draw(panels, PICTURE)


def dashboard(began):
    """Asks what Grafana would ask for each panel and each variable, all of which have to have data. Returns the panels with theirs."""
    board, empty, panels = json.loads(Path(DASHBOARD).read_text()), [], []
    filled = {"$__rate_interval": "30s"}
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()
            values = ask(f"label/{label}/values", **{"match[]": fill(series, filled)})
            empty += [] if values else [f"the variable {variable['name']}"]
            filled[f"${variable['name']}"] = "|".join(values)
    for panel in board["panels"]:
        panels.append((panel, []))
        for target in panel.get("targets", []):
            series = ask("query_range", query=fill(target["expr"], filled), start=began, end=time.time(), step=5)["result"]
            if not any(value != "NaN" for one in series for _, value in one["values"]):
                empty.append(f"{panel['title']}: {target['expr']}")
            panels[-1][1].append((target["legendFormat"], series))
    if empty:
        sys.exit("ops: no data for\n  " + "\n  ".join(empty))
    print(f"ops: {sum(len(queries) for _, queries in panels)} queries of {DASHBOARD} have data")
    return panels


def fill(expression, values):
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression


def record(program, folder):
    log, pages = Path(folder) / "chaos.log", []
    with log.open("w") as said:
        running = chaos(program, LENGTH, said)
        try:
            until("the first answer", lambda: answers(f"http://{TARGET}/metrics"))
            for _ in range(LENGTH // EVERY):
                pages.append(get(f"http://{TARGET}/metrics"))
                time.sleep(EVERY)
        finally:
            running.kill()
            running.wait()
    Path(RECORDED).write_text(recorded(pages))


def recorded(pages):
    """A test of the rules: what the pages have, and then an hour in which nothing happens."""
    values = {}
    for at, page in enumerate(pages):
        for line in page.splitlines():
            if SERIES.match(line):
                series, value = line.rsplit(" ", 1)
                values.setdefault(series, ["_"] * at).append(value)
    text = [
        "# Recorded by `ci/ops.sh record`, do not edit: what chaos has told, and then an hour in which nothing happens.",
        f"rule_files: [alerts.yml]\nevaluation_interval: {EVERY}s\n\ntests:\n  - interval: {EVERY}s\n    input_series:",
    ]
    for series, all_of_it in sorted(values.items()):
        if all_of_it[-1] != "0":
            name = series.replace("}", ',job="resident",instance="chaos"}')
            text.append(f"      - series: '{name}'\n        values: {short(all_of_it)} {all_of_it[-1]}x720")
    during = LENGTH - EVERY
    fire = "\n".join(f"          - {{ labels: '{{alertname=\"Resident{name}\"}}', value: 1 }}" for name in FIRE)
    expr = "      - expr: 'count by (alertname) (sum by (alertname, job) (ALERTS{alertstate=\"firing\"}))'"
    text.append(f"    promql_expr_test:\n{expr}\n        eval_time: {during}s\n        exp_samples:\n{fire}")
    text.append(f"{expr}\n        eval_time: 30m\n        exp_samples: []")
    return "\n".join(text) + "\n"


def short(values):
    """The same values, as promtool writes runs of one."""
    runs = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    # Of a value one more than is said, of none as many.
    return " ".join(value if times == 1 else f"{value}x{times - (value != '_')}" for value, times in runs)


def main():
    program, *more = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        if more == ["record"]:
            return record(program, folder)
        for command in (["check", "rules", RULES], ["check", "config", CONFIG], ["test", "rules", TESTS, RECORDED]):
            subprocess.run(["promtool", *command], check=True)
        if more == ["draw"]:
            # Only whoever draws has the library for it.
            from picture import draw

            return watch(program, folder, draw)
        watch(program, folder)


main()
