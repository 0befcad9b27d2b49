#!/usr/bin/env python3
"""run.py RUNNER TESTEE FAILURES: runs protobuf's conformance suite, recommended cases enforced, and tells
in TAP how each kind of case went: by level, by what goes in and by what comes out."""
import collections
import re
import subprocess
import sys

FORMATS = {"Protobuf": "binary", "Json": "JSON"}


def kind(name):
    """Required.Proto3.JsonInput.Hello.ProtobufOutput -> Required, JSON in, binary out."""
    level = name.split(".")[0]
    came = re.search(r"(Json|Protobuf|Proto)Input", name)
    went = re.search(r"\.(Json|Protobuf)Output$", name)
    if name.endswith(".Validator"):
        out = "JSON text looked at"
    elif went:
        out = FORMATS[went[1]] + " out"
    else:
        out = "refused"
    if not came:
        return f"{level}, message that JSON refuses"
    return f"{level}, {FORMATS.get(came[1], 'binary')} in, {out}"


def main():
    runner, testee, failures = sys.argv[1:4]
    try:
        run = subprocess.run([runner, "--enforce_recommended", "--verbose", "--failure_list", failures, testee],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240, check=False)
    except OSError as error:
        print(f"not ok 1 - the runner is there (test/conformance/runner.sh): {error.strerror}\n1..1")
        return 1
    text = run.stdout.decode("utf-8", "replace")
    names = set(re.findall(r"^conformance test: name=(\S+), ", text, re.M)) - {"FindFailures"}
    skipped = set(re.findall(r"^SKIPPED, test=(\S+) ", text, re.M))
    failed = set(re.findall(r"^ERROR, test=(\S+): ", text, re.M))
    expected = {line.split("#")[0].strip() for line in open(failures, encoding="utf-8")} - {""}
    passed = collections.Counter(kind(name) for name in names - skipped - failed - expected)
    lines = [(True, f"{count} passed: {what}") for what, count in sorted(passed.items())]
    ours = sorted(name for name in skipped if not re.search(r"Proto2|TextFormat|Jspb", name))
    lines.append((not ours, f"{len(skipped)} skipped, of proto2, text format and JSPB alone{': not ' if ours else ''}"
                  + " ".join(ours)))
    lines += [(False, name) for name in sorted(failed)]
    if run.returncode != 0 and not failed:
        print("\n".join("# " + line[:300] for line in text.splitlines()[-20:]))
    lines.append((run.returncode == 0 and len(names) > 1000,
                  f"{len(names)} cases, {len(expected)} on the failure list: the suite says so too"))
    for number, (good, what) in enumerate(lines, 1):
        print(f"{'ok' if good else 'not ok'} {number} - {what}")
    print(f"1..{len(lines)}")
    return 0 if all(good for good, _ in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
