"""The program from outside, as the tests of its commands run it. Only Python's own library is needed."""
import os
import subprocess

from tally import check

SLOWNESS = float(os.environ.get("WHINCHAT_TEST_SLOWNESS", "1"))
TIME = 120 * SLOWNESS  # seconds; what takes longer hangs


class Result:
    """How a program ended: code, its exit status; raw, the bytes of stdout; out and err, text; first, the first line of err."""

    def __init__(self, code, out, err):
        self.code, self.raw, self.out, self.err = code, out, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        self.first = self.err.split("\n")[0]

    def __repr__(self):
        return "exit %d, stdout %r, stderr %r" % (self.code, self.out[:400], self.err[:600])


def result_of(argv, stdin=b"", **more):
    """Runs argv to its end; stdin: text, bytes, or what subprocess.run takes for it, as it takes the rest."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    feed = {"input" if isinstance(stdin, bytes) else "stdin": stdin}
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIME, **feed, **more)
    return Result(p.returncode, p.stdout, p.stderr)


def plain_environment(**changes):
    """The environment without whinchat's variables, then changed; None takes a variable away."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("WHINCHAT_")}
    env.update(changes)
    return {k: v for k, v in env.items() if v is not None}


def exits(name, result, code, err=None, out=None):
    """A case: the exit status, words on the first line of stderr, all of stdout; what fails says why in a line or two."""
    good = result.code == code and (err is None or err in result.first) and (out is None or result.out == out)
    if code not in (0, 130, 143):
        good = good and result.first.startswith("whinchat: ") and len(result.err.strip().split("\n")) <= 2
    return check(name, good, "%s; wanted exit %d%s%s" % (result, code, "" if err is None else ", stderr %r" % err,
                                                       "" if out is None else ", stdout %r" % out))


def write_file(path, data):
    """Writes text or bytes, makes the folder where it is not there, and returns path."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path
