#!/usr/bin/env python3
"""Writes the files of /api/docs as C: pack.py OUT [VIEWER]. VIEWER is the folder of npm's swagger-ui-dist;
without it there are none. Names have a hash of what they name, so that browsers may keep them for good."""
import gzip
import hashlib
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
PAGE = "docs.html"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
POLICY = "; ".join([
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
    "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"])


def digest(data):
    return hashlib.sha256(data).hexdigest()[:28]


def hashed_name(name, data):
    path = pathlib.PurePath(name)
    return f"/api/docs/{path.stem}-{digest(data)[:16]}{path.suffix}"


def c_string(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


def c_bytes(data):
    lines = []
    for at in range(0, len(data), 64):
        lines.append('"%s"' % "".join("\\%03o" % byte for byte in data[at:at + 64]))
    return "\n".join(lines)


def without_map(data):
    """Leaves out the last line's pointer to a source map that is not served."""
    return b"\n".join(line for line in data.split(b"\n") if not line.startswith((b"//# sourceMapping", b"/*# sourceMapping")))


def read_files(viewer):
    """(path, type, cache, policy, data) of each file, the page first."""
    sources = [HERE / "docs.css", HERE / "docs.js"]
    sources += [viewer / name for name in (
        "swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "LICENSE", "NOTICE")]
    page = (HERE / PAGE).read_text()
    files = []
    for source in sources:
        data = without_map(source.read_bytes())
        path = hashed_name(source.name, data)
        if f"@{source.name}@" not in page:
            sys.exit(f"{PAGE} does not name {source.name}")
        page = page.replace(f"@{source.name}@", path)
        kind = TYPES.get(source.suffix, "text/plain; charset=utf-8")
        files.append((path, kind, "public, max-age=31536000, immutable", None, data))
    return [("/api/docs", "text/html; charset=utf-8", "no-cache", POLICY, page.encode())] + files


def main():
    files = read_files(pathlib.Path(sys.argv[2])) if len(sys.argv) > 2 else []
    with open(sys.argv[1], "w") as out:
        out.write('#include "rest/file.h"\n\n')
        out.write("const size_t rest_docs_file_count = %d;\n" % len(files))
        out.write("const struct rest_file rest_docs_files[] = {\n")
        for path, kind, cache, policy, data in files:
            packed = gzip.compress(data, 9, mtime=0)
            out.write("{%s, %s, %s, %s, %s, {(const unsigned char *)\n%s, %d}},\n" % (
                c_string(path), c_string(kind), c_string(cache), "NULL" if policy is None else c_string(policy),
                c_string(digest(data)), c_bytes(packed), len(packed)))
        out.write("{NULL, NULL, NULL, NULL, NULL, {NULL, 0}}\n};\n")


main()
