#!/usr/bin/env python3
"""Writes a file's bytes as the C array proto_descriptor_set: embed.py IN OUT."""
import sys

data = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "w") as out:
    out.write("#include <stddef.h>\n\nextern const unsigned char proto_descriptor_set[];\n")
    out.write("extern const size_t proto_descriptor_set_len;\n\n")
    out.write("const unsigned char proto_descriptor_set[] = {\n")
    for at in range(0, len(data), 24):
        out.write(",".join(str(byte) for byte in data[at:at + 24]) + ",\n")
    out.write("};\nconst size_t proto_descriptor_set_len = %d;\n" % len(data))
