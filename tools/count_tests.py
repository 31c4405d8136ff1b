#!/usr/bin/env python3
"""Sums the cases of a meson test run: count_tests.py BUILD/meson-logs/testlog.json

A cmocka program says "[  PASSED  ] N test(s)." and "[  FAILED  ] N test(s)", every other one "N passed, N failed".
A program that failed without a failed case (a crash, a time-out) counts as one failed case; one that passed without
saying how many, as one passed. What was not run is told by name. The last line is "N passed, N failed".
"""
import json
import re
import sys

CMOCKA = re.compile(r"^\[  (PASSED|FAILED)  \] (\d+) test\(s\)", re.M)
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed", re.M)
NOT_RUN = re.compile(r"^not run: .*", re.M)
GOOD = {"OK", "EXPECTEDFAIL"}


def cases(test):
    """(passed, failed) of one program."""
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    cmocka = CMOCKA.findall(text)
    passed = sum(int(n) for word, n in cmocka if word == "PASSED")
    failed = sum(int(n) for word, n in cmocka if word == "FAILED")
    if not cmocka:
        sums = PLAIN.findall(text)
        if sums:
            passed, failed = int(sums[-1][0]), int(sums[-1][1])
        elif test["result"] in GOOD:
            passed = 1
    if test["result"] not in GOOD and failed == 0:
        failed = 1
    return passed, failed


def main():
    try:
        with open(sys.argv[1]) as f:
            tests = [json.loads(line) for line in f]
    except OSError as e:
        print("count_tests: %s: %s; did the tests run at all?" % (e.filename, e.strerror), file=sys.stderr)
        tests = []
    passed = failed = 0
    for test in sorted(tests, key=lambda t: t["name"]):
        text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
        for line in dict.fromkeys(NOT_RUN.findall(text)):
            print("%s: %s" % (test["name"], line))
        if test["result"] == "SKIP":
            continue
        p, f = cases(test)
        passed, failed = passed + p, failed + f
        if f:
            print("%s: %d failed (%s)" % (test["name"], f, test["result"].lower()))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
