"""Runs a program on a terminal of its own and plays a script of keys.

    terminal.py SECONDS STEPS PROGRAM ARGUMENT...

STEPS is a JSON array of [what, text]: "type" writes keys, "see" waits until the text was shown since the last step that
saw something, "end" waits for the program's end. Prints all that was shown; ends with 1 where something was not seen.
"""
import json
import os
import pty
import select
import sys
import time

seconds, steps, command = float(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm-256color"
    os.environ["COLUMNS"] = "100"
    os.execvp(command[0], command)
shown, place = b"", 0


def read(wait):
    global shown
    if not select.select([terminal], [], [], wait)[0]:
        return True
    try:
        more = os.read(terminal, 65536)
    except OSError:
        return False
    shown += more
    return bool(more)


def fail(what):
    sys.stdout.buffer.write(shown)
    print("\nterminal.py: " + what)
    os.kill(child, 9)
    sys.exit(1)


for what, text in steps:
    deadline = time.monotonic() + seconds
    if what == "type":
        os.write(terminal, text.encode())
    elif what == "see":
        while (found := shown.find(text.encode(), place)) < 0:
            if time.monotonic() > deadline or not read(0.1):
                fail(f"never saw {text!r}")
        place = found + len(text.encode())
    elif what == "end":
        while read(0.1):
            if time.monotonic() > deadline:
                fail("never ended")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != int(text):
            fail(f"ended with {status}")
sys.stdout.buffer.write(shown)
