#!/usr/bin/env python3
"""Holds the tree to its rules: who may include whom, calls that are not used, lengths, layout.
style_check.py ROOT [CLANG_FORMAT]; prints TAP."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1])
CLANG_FORMAT = sys.argv[2] if len(sys.argv) > 2 else None
PRODUCT = ("proto", "rpc", "rest", "store", "clients")
FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|alloca)\s*\(")

# Folder -> what its files may include of ours. The longest matching folder decides.
GENERATED = ("lotcast/v1/", "google/")
MAY_INCLUDE = {
    "rpc/base": ("rpc/base/",),
    "rpc": ("rpc/base/", "rpc/") + GENERATED,
    "store": ("rpc/base/", "rpc/", "store/") + GENERATED,
    "rest": ("rpc/base/", "rpc/", "rest/") + GENERATED,
    "clients/http": ("rpc/base/", "rpc/", "clients/http/") + GENERATED,
    "clients/site": ("rpc/base/", "rpc/", "clients/http/", "clients/site/", "clients/json/") + GENERATED,
    "clients/meta": ("rpc/base/", "rpc/", "clients/http/", "clients/meta/", "clients/json/") + GENERATED,
    "clients/stripe": ("rpc/base/", "rpc/", "clients/http/", "clients/meta/json_tree.h", "clients/stripe/",
                       "clients/json/") + GENERATED,
    "clients/json": ("rpc/base/", "rpc/", "clients/json/") + GENERATED,
    # store/store.h: a backup is restored while nothing runs that could be asked to. The site's: a
    # scan that stores nothing needs no service.
    "clients/lotctl": ("rpc/base/", "rpc/", "store/store.h", "clients/http/http.h",
                       "clients/site/site.h", "clients/lotctl/") + GENERATED,
    "rpc/services": ("rpc/base/", "rpc/", "store/client.h", "clients/http/http.h", "clients/meta/meta.h",
                     "clients/site/site.h", "clients/stripe/stripe.h") + GENERATED,
    "rpc/services/model": ("rpc/base/", "rpc/services/model/", "rpc/status.h") + GENERATED,
    "rpc/cmd": ("rpc/", "rest/", "store/", "clients/") + GENERATED,
}
# Folder -> what its files may not include, although the line above would let it in.
MAY_NOT_INCLUDE = {
    "rpc": ("rpc/services/", "rpc/cmd/"),
    "store": ("rpc/services/", "rpc/cmd/"),
    "rest": ("rpc/services/", "rpc/cmd/"),
    "clients/http": ("rpc/services/", "rpc/cmd/"),
    "clients/site": ("rpc/services/", "rpc/cmd/"),
    "clients/meta": ("rpc/services/", "rpc/cmd/"),
    "clients/stripe": ("rpc/services/", "rpc/cmd/"),
    "clients/lotctl": ("rpc/services/", "rpc/cmd/"),
    "rpc/services": ("rpc/cmd/",),
    "rpc/services/model": ("rpc/base/clock.h", "rpc/base/log.h", "rpc/base/metrics.h"),
}
# System headers that belong to one folder alone.
LIBRARIES = {
    "lmdb.h": ("store",),
    "nng/": ("rpc",),
    "h2o.h": ("rest",),
    "h2o/": ("rest",),
    "curl/": ("clients/http",),
    "libxml/": ("clients/site",),
}


def folder_rule(path, table):
    folder = path.parent
    while str(folder) != ".":
        if str(folder) in table:
            return str(folder), table[str(folder)]
        folder = folder.parent
    return None, None


def check_includes(path, text):
    for line in text.splitlines():
        match = re.match(r'#include ([<"])([^>"]+)[>"]', line)
        if not match:
            continue
        kind, name = match.groups()
        if name.startswith("test/"):
            yield f"{path}: product code includes {name}"
        if kind == "<":
            for library, owners in LIBRARIES.items():
                owned = any(str(path).startswith(owner + "/") for owner in owners)
                inside = owned and not (library == "nng/" and str(path).startswith(("rpc/services/", "rpc/base/")))
                if name.startswith(library) and not inside:
                    yield f"{path}: <{name}> belongs to {', '.join(owners)}"
            continue
        folder, allowed = folder_rule(path, MAY_INCLUDE)
        refused = MAY_NOT_INCLUDE.get(folder, ())
        if allowed is not None and not name.startswith(allowed):
            yield f"{path}: {folder} may not include {name}"
        if refused and name.startswith(refused):
            yield f"{path}: {folder} may not include {name}"


def check_lengths(path, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES_MAX:
        yield f"{path}: {len(lines)} lines"
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            if number - start - 1 > FUNCTION_LINES_MAX:
                yield f"{path}:{start}: a function of {number - start - 1} lines"
            start = None


def check_calls(path, text):
    code = re.sub(r"/\*.*?\*/", lambda found: "\n" * found.group(0).count("\n"), text, flags=re.S)
    for number, line in enumerate(code.splitlines(), 1):
        if BANNED.search(line):
            yield f"{path}:{number}: {line.strip()}"
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            yield f"{path}:{number}: {line.strip()}"


def check_layout(paths):
    for path in paths:
        done = subprocess.run([CLANG_FORMAT, "--dry-run", "-Werror", str(ROOT / path)], capture_output=True, text=True)
        if done.returncode != 0:
            yield f"{path}: not laid out as .clang-format says (./build.sh format)"


def report(number, name, offences):
    offences = list(offences)
    for offence in offences:
        print(f"# {offence}")
    print(f"{'not ok' if offences else 'ok'} {number} - {name}")
    return bool(offences)


files = [path.relative_to(ROOT) for folder in PRODUCT + ("test",) for path in sorted((ROOT / folder).rglob("*.[ch]"))]
product = [path for path in files if path.parts[0] in PRODUCT]
texts = {path: (ROOT / path).read_text(encoding="utf-8") for path in files}
bad = report(1, "includes keep to the layers", (o for p in product for o in check_includes(p, texts[p])))
bad |= report(2, "files and functions are short", (o for p in product for o in check_lengths(p, texts[p])))
bad |= report(3, "calls that are not used", (o for p in product for o in check_calls(p, texts[p])))
if CLANG_FORMAT:
    bad |= report(4, "layout", check_layout(files))
print("1..4" if CLANG_FORMAT else "1..3")
sys.exit(bad)
