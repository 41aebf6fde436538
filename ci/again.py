"""What has failed is run again, twice. If it then passes both times it is flaky: that is said, and fails nothing.

    python3 ci/again.py NAME COMMAND...     runs a command, and the same again should it fail
"""

import subprocess
import sys
import threading
import time

# What writes nothing for so many seconds hangs, and is killed.
SILENCE = 300
# Lines of a first failure that are shown again above its `flaky:` line.
END = 40


def run(command, kill=subprocess.Popen.kill):
    """Runs `command`, shows what it writes, and returns its exit status and that text. If it hangs, calls `kill` with it."""
    say(f"+ {' '.join(command)}")
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    lines = []
    last = time.monotonic()

    def show():
        nonlocal last
        for line in child.stdout:
            last = time.monotonic()
            lines.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()

    shown = threading.Thread(target=show, daemon=True)
    shown.start()
    while True:
        try:
            status = child.wait(1)
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() - last > SILENCE:
                say(f"killed: nothing was written for {SILENCE} s")
                last = time.monotonic()
                kill(child)
    # A process that the command has left behind may hold its output open for ever.
    shown.join(10)
    return status, "".join(lines)


def flaky(name, output, passes):
    """Whether `name`, which has failed with `output`, is flaky: whether `passes()` is true twice. Says so, or that it fails."""
    for turn in (1, 2):
        say(f"\nagain, {turn} of 2: {name}")
        if not passes():
            say(f"failed: {name}")
            return False
    end = output.strip("\n").splitlines()[-END:]
    say("\n".join([f"\nthe end of {name}, the first time:", *end, f"flaky: {name}"]))
    return True


def say(text):
    print(text, flush=True)


def main(name, *command):
    status, output = run(command)
    return status == 0 or flaky(name, output, lambda: run(command)[0] == 0)


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
