"""What the test programs in Python share: cases, a line each, groups of them, and the closing line "N passed, N failed" that
tools/count_tests.py reads.

Python 3.8 and its own library are enough: some of the programs run in another Python than the one that builds the project.
"""
import shutil
import threading

count = {True: 0, False: 0}
lock = threading.Lock()


def check(name, good, detail=""):
    """One case; detail, its first 3000 characters, is said when it is not good. Returns good."""
    shown = "" if good else "%.3000s" % (detail,)
    with lock:  # groups may run at the same time
        count[bool(good)] += 1
        print("%s %s%s" % ("ok  " if good else "FAIL", name, ": " + shown if shown else ""), flush=True)
    return good


def equal(name, got, want):
    return check(name, got == want, "got %r, want %r" % (got, want))


def raises(name, kind, call, words=""):
    """call() ends in an exception of this kind (a class, or a tuple of them) that says these words, on one line."""
    try:
        got = call()
    except Exception as e:
        check(name, isinstance(e, kind) and words in str(e) and "\n" not in str(e), "%s: %s" % (type(e).__name__, e))
    else:
        check(name, False, "no exception but %r" % (got,))


def broke_off(name, error):
    """A group that did not come to its end is a failed case."""
    check("%s: ran to its end" % name, False, "%s: %s" % (type(error).__name__, error))


def groups_of(names):
    """{NAME: function} of a module's globals() that are called group_NAME, in their order."""
    return {n[len("group_"):]: f for n, f in names.items() if n.startswith("group_")}


def run_groups(names, chosen=(), work=None):
    """Runs the groups of a module's globals(), all or those chosen by name, removes the folder work, and finishes.

    A group that breaks off is a failed case, and the others still run. Returns the exit status.
    """
    groups = groups_of(names)
    try:
        for name in chosen or groups:
            print("-- %s" % name, flush=True)
            try:
                groups[name]()
            except Exception as e:
                broke_off(name, e)
    finally:
        if work:
            shutil.rmtree(work, ignore_errors=True)
    return finish()


def finish():
    """Prints the closing line; returns the exit status: 1 after a failed case, and where there was no case at all."""
    print("%d passed, %d failed" % (count[True], count[False]))
    return 1 if count[False] or not count[True] else 0
