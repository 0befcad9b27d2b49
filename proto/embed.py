#!/usr/bin/env python3
"""Writes a file's bytes as a C array: embed.py IN OUT [NAME]; NAME is proto_descriptor_set."""
import sys

name = sys.argv[3] if len(sys.argv) > 3 else "proto_descriptor_set"
data = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "w") as out:
    out.write("#include <stddef.h>\n\nextern const unsigned char %s[];\n" % name)
    out.write("extern const size_t %s_len;\n\n" % name)
    out.write("const unsigned char %s[] = {\n" % name)
    for at in range(0, len(data), 24):
        out.write(",".join(str(byte) for byte in data[at:at + 24]) + ",\n")
    out.write("};\nconst size_t %s_len = %d;\n" % (name, len(data)))
