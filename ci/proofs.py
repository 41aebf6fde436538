"""What is proved by content is not proved twice: reads and writes ci/proved for .ci/run, which alone calls this.

    proofs.py plan [all]                                 prints for each step on standard input its digest, and since when it is proved
    proofs.py proved NAME INPUTS COMMAND DIGEST LOG      notes that a step has passed
    proofs.py doubted NAME DIGEST                        takes that back

A step is a line `NAME tab INPUTS tab COMMAND`. Its inputs are words, of which a later one overrules an earlier: a pathspec of git adds
files, `!` before it takes them away, and `crate:NAME` adds the folders of a crate of the workspace and of all it depends on there.
"""

import datetime
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROVED = Path("ci/proved")
HEAD = "# Written by .ci/run alone: a step, the digest of its inputs, when it passed, the toolchain, the SHA-256 of its log.\n"
ENTRY = re.compile(r"(?P<name>[^\t#][^\t]*)\t(?P<digest>[0-9a-f]{64})\t(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\t[^\t]+\t[0-9a-f]{64}")
LOGS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "resident/ci/logs"

# Each step may depend on these.
EVERYWHERE = "Cargo.lock *.toml .cargo rust-toolchain*"
VARIABLES = re.compile(r"RESIDENT_|RUST(DOC)?FLAGS$|MIRIFLAGS$|CARGO_(ENCODED|BUILD|PROFILE)_|(CC|CXX|CFLAGS|CXXFLAGS)$")


def entries():
    """The lines of ci/proved by their steps, but for those that are none."""
    try:
        found = [ENTRY.fullmatch(line) for line in PROVED.read_text().splitlines()]
    except (OSError, UnicodeDecodeError):
        return {}
    return {entry["name"]: entry for entry in found if entry and entry["time"] <= now()}


def write(lines):
    try:
        PROVED.write_text(HEAD + "".join(f"{line}\n" for line in sorted(lines)))
    except OSError as error:
        print(f"{PROVED} is left as it was: {error}")


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def said(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


@functools.cache
def toolchain():
    """The compilers: all of them for each step, since nearly each compiles the engine with c++ and handlers with nightly."""

    def version(*command):
        try:
            return said(*command, "--version", stderr=subprocess.DEVNULL).splitlines()[0]
        except (OSError, subprocess.CalledProcessError):
            return f"no {' '.join(command)}"

    nightly = os.environ.get("RESIDENT_NIGHTLY") or "nightly"
    return "; ".join([platform.machine(), version("rustc"), version("rustc", f"+{nightly}"), version("c++")])


@functools.cache
def folders(crate):
    """The folders of a crate and of what it depends on in the workspace, for its tests and build scripts too."""
    workspace = json.loads(said("cargo", "metadata", "--format-version=1", "--no-deps"))
    packages = {package["name"]: package for package in workspace["packages"]}
    reached, ahead = set(), [crate]
    while ahead:
        name = ahead.pop()
        if name in packages and name not in reached:
            reached.add(name)
            ahead += [dependency["name"] for dependency in packages[name]["dependencies"] if "path" in dependency]
    if not reached:
        raise SystemExit(f"{crate} is no crate of the workspace")
    return [os.path.relpath(Path(packages[name]["manifest_path"]).parent) for name in reached]


def files(inputs):
    """The files that `inputs` names, as they are in the working tree: tracked, or new and not ignored."""
    found = set()
    for word in f"{inputs} {EVERYWHERE}".split():
        paths = folders(word.removeprefix("crate:")) if word.startswith("crate:") else [word.removeprefix("!")]
        listed = said("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *paths).split("\0")
        listed = {path for path in listed if os.path.isfile(path) or os.path.islink(path)}
        if not listed and word in inputs.split() and not word.startswith("!"):
            raise SystemExit(f"no file is named by {word}")
        found = found - listed if word.startswith("!") else found | listed
    return sorted(found)


def digest(inputs, command):
    """The digest of all that a step depends on."""
    whole = hashlib.sha256()

    def add(*parts):
        whole.update("\0".join(parts).encode() + b"\n")

    add(command, toolchain())
    add(*(f"{name}={value}" for name, value in sorted(os.environ.items()) if VARIABLES.match(name)))
    for path in files(inputs):
        content = os.readlink(path).encode() if os.path.islink(path) else Path(path).read_bytes()
        add(path, str(os.access(path, os.X_OK)), hashlib.sha256(content).hexdigest())
    return whole.hexdigest()


def plan(mode=""):
    known, digests, since = entries(), {}, {}
    for line in sys.stdin.read().splitlines():
        name, inputs, command = line.split("\t")
        digests[name] = digest(inputs, command)
        if mode != "all" and name in known and known[name]["digest"] == digests[name]:
            since[name] = known[name]["time"]
    if since:
        # So that no proof gets older than the others without being looked at.
        del since[min(since, key=since.get)]
    for name in digests:
        print(name, digests[name], since.get(name, ""), sep="\t")


def proved(name, inputs, command, before, log):
    if digest(inputs, command) != before:
        print(f"{name}: its inputs have changed while it ran, so nothing is proved")
        return
    content = Path(log).read_bytes()
    sha = hashlib.sha256(content).hexdigest()
    try:
        LOGS.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log, LOGS / sha)
    except OSError as error:
        print(f"the log of {name} is not kept: {error}")
    rest = [entry[0] for other, entry in entries().items() if other != name]
    write([*rest, "\t".join([name, before, now(), toolchain(), sha])])


def doubted(name, before):
    known = entries()
    if name in known and known[name]["digest"] == before:
        write(entry[0] for other, entry in known.items() if other != name)


if __name__ == "__main__":
    {"plan": plan, "proved": proved, "doubted": doubted}[sys.argv[1]](*sys.argv[2:])
