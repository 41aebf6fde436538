"""Runs `cargo test --workspace`, or with other arguments of cargo's, and each test that fails again, alone and twice (again.py)."""

import contextlib
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from again import flaky, run, say

# The same packages when a test is run again: with one package's features cargo would build, and run, other programs.
CARGO = ["cargo", "test", "--no-fail-fast", *(sys.argv[1:] or ["--workspace"])]

HEADING = re.compile(r"^ +((?:Running .+ \(.+\))|(?:Doc-tests .+))$", re.MULTILINE)
FAILED = re.compile(r"^error: (?:doc)?test failed, to rerun pass `(.+)`$", re.MULTILINE)
FAILURES = re.compile(r"^failures:\n((?: {4}.+\n)+)\ntest result: FAILED\. \d+ passed; (\d+) failed;", re.MULTILINE)
PASSED = re.compile(r"^test result: ok\. [1-9]", re.MULTILINE)


@dataclass
class Program:
    """A program of tests, or the doc-tests of a crate, in the output of cargo."""

    heading: str
    output: str

    @property
    def arguments(self):
        """Cargo's words for this program if it has failed, else none."""
        found = FAILED.search(self.output)
        return found and found[1]

    @property
    def failures(self):
        """The tests that have failed; none if the program ended otherwise than by saying which."""
        if "\nCaused by:\n" in self.output[FAILED.search(self.output).end() :]:
            return []
        found = FAILURES.findall(self.output)
        # Doc-tests have a summary for each kind; a program's own is its last, one before it is of a child process.
        if not self.doc:
            found = found[-1:]
        names = [line.strip() for lines, _ in found for line in lines.splitlines()]
        return names if len(names) == sum(int(count) for _, count in found) else []

    @property
    def doc(self):
        return self.heading.startswith("Doc-tests")

    def output_of(self, test):
        """What the test has written."""
        found = re.search(rf"^---- {re.escape(test)} stdout ----\n(.*?)(?=^---- |^failures:$)", self.output, re.MULTILINE | re.DOTALL)
        return found[1] if found else self.output

    def passes(self, *test):
        """Whether it passes when it is run again, with one test or with all."""
        selection = re.sub(r"^-p \S+ ?", "", self.arguments).split()
        if test and self.doc:
            # rustdoc takes the words of a name for names: the last, its line, says most.
            selection += ["--", test[0].split()[-1]]
        elif test:
            selection += ["--", "--exact", *test]
        _, output = run([*CARGO, *selection], kill_children)
        again = programs(output).get(self.heading)
        return again is not None and not again.arguments and PASSED.search(again.output) is not None


def programs(output):
    """The programs that cargo has run, by their headings."""
    parts = HEADING.split(output)[1:]
    return {heading: Program(heading, text) for heading, text in zip(parts[::2], parts[1::2])}


def kill_children(cargo):
    """Kills the program that cargo waits for; cargo goes on with the next."""
    for children in Path(f"/proc/{cargo.pid}/task").glob("*/children"):
        for child in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


def main():
    status, output = run(CARGO, kill_children)
    failed = [program for program in programs(output).values() if program.arguments]
    if status != 0 and not failed:
        say("failed: no test has run, or cargo does not say which one has failed")
        return False
    good = True
    for program in failed:
        for test in program.failures:
            good &= flaky(f"{program.arguments} {test}", program.output_of(test), lambda: program.passes(test))
        if not program.failures:
            good &= flaky(program.arguments, program.output, program.passes)
    return good


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
