"""What result files of the benches say; `ci/figures.sh` says how to call this."""

import datetime
import glob
import gzip
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys

RESULTS = "benches/results"
HEADLINE = "benches/headline.md"
ENGINE = "kernels/cuda/engine.ptx"
# What figures depend on, and by which part a ratio has to be worse to be marked.
SOURCES = ["kernels", "gpu", "src"]
WORSE = 0.1

# A bench's series or rate of ours, and the peer that stands beside it in the same file; `claims` and `ratios` have the others.
PEERS = [
    ("round_trip", r"resident, .*, call! from a task", "ractor CPU actor, call! from a task"),
    ("round_trip", r"resident, (\d+) shards, (?:ask of 56 bytes in turn|call! from a task)", r"bare echo, \1 shards in turn"),
    ("throughput", r"resident, (\d+) shards, pipelined asks, (\d+) host threads", r"bare rings by slot, \1 shards, \2 host threads"),
    ("throughput", r"resident, (\d+) shards, casts handled.*, 1 host thread", r"bare one-way rings, \1 shards, 1 host threads"),
    ("throughput", r"resident, .*, enqueue of a cast", "ractor CPU actor, enqueue of a cast"),
    ("device_to_device", r"resident, .*, one way between two actors of .*", "bare lines passed between two blocks, one way"),
]
# Ratios without a claim of which the smaller is the better one.
LESS_IS_BETTER = re.compile(r"part of a core|over a ractor CPU actor's spawn")

UNITS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "1/s": 1, "M/s": 1e6, "G/s": 1e9, "1": 1}


def git(*arguments):
    """What git says; nothing where there is no git, or no clone."""
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


class Result:
    """A result file. One from before files named engine, commit and date has those of the commit that brought it."""

    def __init__(self, path):
        with (gzip.open if path.endswith(".gz") else open)(path, "rt") as file:
            self.json = json.load(file)
        self.path, self.bench, self.engine = path, self.json["bench"], self.json.get("engine")
        self.commit, self.date = self.json.get("commit"), self.json.get("date")
        if not self.engine:
            self.commit, _, self.date = git("log", "-1", "--diff-filter=A", "--format=%H %cI", "--", path).partition(" ")
        self.when = datetime.datetime.fromisoformat((self.date or "1970-01-01T00:00:00Z").replace("Z", "+00:00"))

    def value(self, name, what):
        """A figure in the file's own unit: nanoseconds, a second's, or none."""
        for part in ("series", "rates", "ratios"):
            for entry in self.json.get(part, []):
                if entry["name"] == name:
                    return entry["median"] if what in ("rate", "ratio") else (entry["summary"] or {}).get(what)
        return None

    def ratios(self):
        """Name, ratio, and whether the smaller is the better one."""
        claims = {claim["what"]: claim for claim in self.json.get("claims", [])}
        found = {}
        for ratio in self.json.get("ratios", []):
            at_most = claims[ratio["name"]]["at_most"] if ratio["name"] in claims else bool(LESS_IS_BETTER.search(ratio["name"]))
            found[ratio["name"]] = (ratio["median"], at_most)
        for what, claim in claims.items():
            # Most of a takeover is the driver's, and nothing stands beside it: its times are compared as they are.
            if " over " in what or self.bench == "takeover":
                found[what] = (claim["measured"], claim["at_most"])
        for bench, ours, peer in PEERS:
            for part, what in (("series", "p50"), ("rates", "rate")) if bench == self.bench else ():
                for entry in self.json.get(part, []):
                    match = re.fullmatch(ours, entry["name"])
                    beside = match and self.value(match.expand(peer), what)
                    value = match and self.value(entry["name"], what)
                    if beside and value:
                        found[f"{entry['name']}, over: {match.expand(peer)}"] = (value / beside, part == "series")
        return {name: pair for name, pair in found.items() if pair[0] is not None}


def engine_now():
    with open(ENGINE, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:12]


def results():
    """All result files but for those of short forms, the oldest first."""
    found = (Result(path) for path in glob.glob(f"{RESULTS}/*.json*"))
    return sorted((r for r in found if "short: true" not in r.json["arguments"]), key=lambda result: (result.when, result.path))


def title(run):
    last = run[-1]
    changed = " with changes" if last.json.get("changed") else ""
    return f"{last.date[:10] or 'no date'}, engine {last.engine or 'unknown'}, commit {(last.commit or 'unknown')[:7]}{changed}"


def median(run, name):
    """A ratio's median over the files of a run that have it."""
    pairs = [pair for pair in (result.ratios().get(name) for result in run) if pair]
    return (statistics.median(value for value, _ in pairs), pairs[0][1]) if pairs else None


def compare(all_results):
    """For each bench, the newest run against the one before: files of one engine and one commit are one run."""
    for bench in sorted({result.bench for result in all_results}):
        runs = {}
        for result in all_results:
            if result.bench == bench:
                runs.setdefault((result.engine, result.commit), []).append(result)
        *before, now = runs.values()
        since = git("rev-list", "--count", f"{now[-1].commit}..HEAD", "--", *SOURCES) if now[-1].commit else ""
        print(f"\n{bench}: {title(now)}; {since or 'an unknown number of'} commits of {', '.join(SOURCES)} since")
        print(f"    before: {title(before[-1]) if before else 'nothing'}")
        print("    {:>9} {:>9}".format("before", "now"))
        for name in dict.fromkeys(name for result in now for name in result.ratios()):
            value, at_most = median(now, name)
            # A run may have been of a few contenders only.
            earlier = next(filter(None, (median(run, name) for run in reversed(before))), None)
            worse = earlier and (value > earlier[0] * (1 + WORSE) if at_most else value < earlier[0] * (1 - WORSE))
            print(f"    {f'{earlier[0]:9.3f}' if earlier else '        -'} {value:9.3f}  {name}{'  WORSE' if worse else ''}")


def written(value):
    """Two digits, three of what is a hundred or more."""
    if value < 10:
        return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    digits = len(str(int(value)))
    return f"{round(value, min(0, 3 - digits)):,.0f}"


def headline(all_results, engine):
    """README's table, made of what the newest run of this engine says, and what it lacks."""
    of_engine = [result for result in all_results if result.engine == engine]
    # Handlers are compiled into a loop of their crate, which the engine's digest does not cover: what is older may be of another one.
    of_engine = [result for result in of_engine if result.commit == of_engine[-1].commit]
    lacks = []

    def every(values):
        return ", ".join(dict.fromkeys(str(value) for value in values))

    def fill(match):
        text = match.group(1)
        if text == "engine":
            return engine
        if text == "commit":
            return every(f"`{(r.commit or 'unknown')[:7]}`{' with changes' if r.json.get('changed') else ''}" for r in of_engine)
        if text in ("gpu", "driver", "cores"):
            return every(result.json["machine"][text] for result in of_engine)
        bench, name, what, unit = re.fullmatch(r"(\w+): (.+): (p50|p99|rate|ratio) (\S+)", text).groups()
        values = [result.value(name, what) for result in of_engine if result.bench == bench]
        values = [written(value / UNITS[unit]) for value in values if value is not None]
        if not values:
            lacks.append(f"{bench}: {name}")
        return ", ".join(values)

    with open(HEADLINE) as file:
        return re.sub(r"\{([^}]+)\}", fill, file.read()), lacks


def readme(mode, all_results):
    """Compares README's table with what the files say, or writes it. True if all is well."""
    engine = engine_now()
    text, lacks = headline(all_results, engine)
    if lacks:
        print(f"\nREADME: no file in {RESULTS} says these of engine {engine}, which {ENGINE} is; measure them (benches/README.md):")
        print("\n".join(f"    {name}" for name in dict.fromkeys(lacks)))
        return False
    with open("README.md") as file:
        old = file.read()
    new, found = re.subn(r"(?<=<!-- headline -->\n).*(?=<!-- end of headline -->)", lambda _: text, old, flags=re.S)
    if not found:
        sys.exit("README.md has no lines <!-- headline --> and <!-- end of headline --> any more, between which the table belongs")
    if mode == "write":
        with open("README.md", "w") as file:
            file.write(new)
    elif new != old:
        print(f"\nREADME: the table is not what the files of engine {engine} say; ci/figures.sh write makes it so:")
        known = set(old.splitlines())
        print("\n".join(f"    {line}" for line in new.splitlines() if line not in known))
        return False
    print(f"\nREADME: every figure of the table is of engine {engine}")
    return True


def main(mode="check", *files):
    if mode == "ratios":
        for result in map(Result, files):
            for name, (value, _) in result.ratios().items():
                print(f"{result.bench:18} {value:9.3f}  {name}")
        return True
    if mode not in ("check", "write"):
        sys.exit(f"ci/figures.sh knows check, write and ratios, not {mode}")
    all_results = results()
    if mode == "check":
        compare(all_results)
    return readme(mode, all_results)


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
