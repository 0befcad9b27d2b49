#!/usr/bin/env python3
"""buf judges proto/: its style, and that it breaks nothing of the last release (release.binpb.gz).

A judge that never says no is none, so each kind of change is made to a copy and must be noticed.
TAP. Without a network: every proxy is a closed port. Arguments: the folder of protos, the image, buf.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

protos, image, buf = (os.path.abspath(argument) for argument in sys.argv[1:])
work = tempfile.TemporaryDirectory(prefix="lotcast-buf-")
NOWHERE = "http://127.0.0.1:1"
environment = dict(os.environ, BUF_CACHE_DIR=work.name + "/cache", HTTP_PROXY=NOWHERE, HTTPS_PROXY=NOWHERE,
                   http_proxy=NOWHERE, https_proxy=NOWHERE, NO_PROXY="", no_proxy="")

# A field with whatever options it has.
COMPANY = re.compile(r"string company = 3\b[^;]*;")

# What is changed in which file, from what, to what; None: nothing may be said. Else the rule that must say it.
BREAKING = [
    ("nothing", "auth.proto", "", "", None),
    ("a comment", "auth.proto", "// Logs in.", "// Logs in, or out.", None),
    ("a new field", "auth.proto", "message LogOutRequest {}", "message LogOutRequest { string why = 1; }", None),
    ("a new method", "auth.proto", "service Auth {",
     "message NapRequest {} message NapResponse {} service Auth { rpc Nap(NapRequest) returns (NapResponse);", None),
    ("a field that has gone", "auth.proto", COMPANY, "", "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"),
    ("a field of another number", "auth.proto", COMPANY, "  string company = 33;",
     "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"),
    ("a field of another type", "auth.proto", COMPANY, "  int64 company = 3;",
     "FIELD_WIRE_JSON_COMPATIBLE_TYPE"),
    ("a field of another name", "auth.proto", COMPANY, "  string firm = 3;", "FIELD_SAME_NAME"),
    ("a field of another JSON name", "auth.proto", COMPANY,
     '  string company = 3 [json_name = "firm"];', "FIELD_SAME_JSON_NAME"),
    ("a field that is repeated now", "auth.proto", COMPANY, "  repeated string company = 3;",
     "FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY"),
    ("a reason that has gone", "status.proto", "  REASON_INTERNAL = 40;\n", "",
     "ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED"),
    ("a method of another name", "auth.proto", "rpc LogOut(", "rpc GoAway(", "RPC_NO_DELETE"),
    ("a method that takes something else", "auth.proto", "rpc LogOut(LogOutRequest)", "rpc LogOut(LogInRequest)",
     "RPC_SAME_REQUEST_TYPE"),
    ("a method that answers something else", "auth.proto", "returns (LogOutResponse)", "returns (LogInResponse)",
     "RPC_SAME_RESPONSE_TYPE"),
    ("a method that streams now", "auth.proto", "returns (LogOutResponse)", "returns (stream LogOutResponse)",
     "RPC_SAME_SERVER_STREAMING"),
    ("a service that has gone", "metrics.proto", "service Metrics {", "service Figures {", "SERVICE_NO_DELETE"),
]
LINT = [
    ("a field in camel case", "auth.proto", COMPANY, "  string companyName = 3;", "FIELD_LOWER_SNAKE_CASE"),
    ("an enum value without its prefix", "status.proto", "  REASON_INTERNAL = 40;", "  INTERNAL = 40;", "ENUM_VALUE_PREFIX"),
    ("an enum that does not begin with UNSPECIFIED", "options.proto", "ACCESS_UNSPECIFIED = 0", "ACCESS_NONE = 0",
     "ENUM_ZERO_VALUE_SUFFIX"),
    ("a request of another name", "auth.proto", "LogOutRequest", "LogOutQuestion", "RPC_REQUEST_STANDARD_NAME"),
    ("a message in two methods", "auth.proto", "rpc LogOut(LogOutRequest)", "rpc LogOut(LogInRequest)",
     "RPC_REQUEST_RESPONSE_UNIQUE"),
    ("a package in another folder", "health.proto", "package lotcast.v1;", "package lotcast.v2;", "PACKAGE_DIRECTORY_MATCH"),
    ("an import that nobody needs", "health.proto", 'import "lotcast/v1/options.proto";',
     'import "lotcast/v1/options.proto";\nimport "lotcast/v1/rpc.proto";', "IMPORT_USED"),
    ("a service in lower case", "auth.proto", "service Auth {", "service auth {", "SERVICE_PASCAL_CASE"),
]

count = 0
failed = 0


def report(name, good, said):
    global count, failed
    count += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {count} - {name}")
    for line in said.splitlines() if not good else []:
        print(f"# {line}")


def judge(folder, *arguments):
    """What buf says; empty if it is content."""
    run = subprocess.run([buf, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return run.stdout if run.returncode != 0 else ""


def changed(name, before, after):
    """A copy of the protos with one change."""
    folder = pathlib.Path(work.name) / "protos"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(protos, folder)
    path = folder / "lotcast/v1" / name
    text = path.read_text(encoding="utf-8")
    pattern = before if isinstance(before, re.Pattern) else re.compile(re.escape(before))
    text, changes = pattern.subn(lambda _: after, text)
    if changes == 0:
        return None
    path.write_text(text, encoding="utf-8")
    return folder


def mutations(what, rows, *arguments):
    for title, name, before, after, rule in rows:
        folder = changed(name, before, after)
        if folder is None:
            report(f"{what}: {title}", False, f"{name} has no {before!r}")
            continue
        said = judge(folder, *arguments, "--error-format=json")
        good = said == "" if rule is None else f'"type":"{rule}"' in said
        report(f"{what}: {title} {'passes' if rule is None else 'is noticed'}", good, said or "nothing was said")


said = judge(protos, "lint")
report("lint: proto/ is clean", said == "", said)
said = judge(protos, "breaking", "--against", image)
report("breaking: nothing of the last release is broken", said == "", said)
mutations("breaking", BREAKING, "breaking", "--against", image)
mutations("lint", LINT, "lint")
print(f"1..{count}")
sys.exit(1 if failed else 0)
