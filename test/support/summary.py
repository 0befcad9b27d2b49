#!/usr/bin/env python3
"""Counts test cases: summary.py TESTLOG LABEL prints one line; --total RESULTS prints the last line
of a run and fails when anything failed or nothing ran."""
import json
import sys


def count(path, label):
    passed = failed = skipped = 0
    try:
        lines = open(path, encoding="utf-8", errors="replace").read().splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        test = json.loads(line)
        output = (test.get("stdout") or "").splitlines()
        good = sum(1 for text in output if text.startswith("ok ") and "# SKIP" not in text.upper())
        bad = sum(1 for text in output if text.startswith("not ok "))
        left_out = sum(1 for text in output if text.startswith("ok ") and "# SKIP" in text.upper())
        succeeded = test["result"] == "OK"
        if good + bad + left_out == 0:
            good, bad = (1, 0) if succeeded else (0, 1)
        elif not succeeded and bad == 0:
            bad = 1  # it crashed or timed out behind its last case
        if not succeeded:
            print(f"# failed: {label}: {test['name']} ({test['result']})")
        passed, failed, skipped = passed + good, failed + bad, skipped + left_out
    print(f"{passed} {failed} {skipped} {label}")


def total(path):
    passed = failed = 0
    for line in open(path, encoding="utf-8"):
        if line.startswith("#"):
            print(line.rstrip())
            continue
        good, bad, left_out, label = line.rstrip("\n").split(" ", 3)
        print(f"{label}: {good} passed, {bad} failed" + (f", {left_out} skipped" if left_out != "0" else ""))
        # A suite in which nothing ran is a failure too.
        failed += int(bad) if int(good) + int(bad) > 0 else 1
        passed += int(good)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if sys.argv[1] == "--total":
    sys.exit(total(sys.argv[2]))
count(sys.argv[1], sys.argv[2])
