#!/usr/bin/env python3
"""A client written from rpc/PROTOCOL.md alone, with nothing but sockets: it runs the file's own test vectors for the
open door against a real service, and makes some calls. TAP.

    protocol_client.py PROTOCOL.md /path/of/rpc.sock CUSTOMER_ID [/path/of/stream.sock]

The last one is a socket of the ipc:// kind, for the vectors of frames.
"""
import json
import re
import socket
import struct
import sys

GREETING_REQ = bytes.fromhex("0053500000300000")
GREETING_REP = bytes.fromhex("0053500000310000")
TYPES = ["UNSPECIFIED", "REQUEST", "RESPONSE", "STREAM_ITEM", "CANCEL", "PING", "GOAWAY", "CREDIT"]
WAIT_S = 20
checks = 0
failures = 0


def check(good, what, got=""):
    global checks, failures
    checks += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {checks} - {what}")
    if not good and got != "":
        print(f"# {got}")


# --- protobuf's wire format, as far as headers need it ---

def number(value):
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if value == 0:
            return bytes(out)


def field(index, value):
    if isinstance(value, int):
        return number(index << 3) + number(value)
    data = value.encode() if isinstance(value, str) else value
    return number(index << 3 | 2) + number(len(data)) + data


def fields(data):
    """Each field's number and value, in order."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            assert key & 7 == 2, "no answer has anything else"
            length = varint()
            assert at + length <= len(data)
            yield key >> 3, data[at:at + length]
            at += length


def read_packet(packet):
    """The header in the mapping to JSON, as the vectors write it, and the payload."""
    (length,) = struct.unpack_from("<I", packet)
    header, payload = packet[4:4 + length], packet[4 + length:]
    assert len(header) == length
    out = {}
    for index, value in fields(header):
        if index == 1:
            out["type"] = f"PACKET_TYPE_{TYPES[value]}"
        elif index == 2:
            out["callId"] = str(value)
        elif index == 6:
            out["status"] = dict(fields(value))
    return out, payload


# --- connections ---

class Door:
    def __init__(self, path, greeting=GREETING_REQ):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(path)
        self.last_id = 0
        if greeting:
            self.socket.sendall(greeting)
            assert self.read(8) == GREETING_REP

    def read(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise EOFError(f"only {len(data)} of {length} bytes came")
            data += piece
        return data

    def send(self, packet):
        self.last_id += 1
        body = struct.pack(">I", self.last_id | 0x80000000) + packet
        self.socket.sendall(b"\x01" + struct.pack(">Q", len(body)) + body)

    def receive(self):
        """The request id and the packet of the next answer."""
        kind, length = struct.unpack(">BQ", self.read(9))
        assert kind == 1 and length >= 4
        body = self.read(length)
        return struct.unpack_from(">I", body)[0] & 0x7FFFFFFF, body[4:]

    def exchange(self, packet):
        self.send(packet)
        request_id, answer = self.receive()
        assert request_id == self.last_id
        return answer

    def receive_frame(self):
        """The packet of the next frame."""
        (length,) = struct.unpack("<I", self.read(4))
        return self.read(length)

    def call(self, method, request=b"", metadata=(), call_id=7):
        header = field(1, 1) + field(2, call_id) + field(3, method) + field(4, 10000)
        for key, value in metadata:
            header += field(5, field(1, key) + field(2, value))
        return read_packet(self.exchange(struct.pack("<I", len(header)) + header + request))

    def closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


# --- the vectors ---

def read_bytes(lines):
    data = b""
    for line in lines:
        repeated = re.match(r"\((.*)\) x (\d+)", line)
        pairs = repeated[1] if repeated else re.match(r" *((?:[0-9a-f]{2}(?: |$))+)", line)[1]
        data += bytes.fromhex(pairs) * (int(repeated[2]) if repeated else 1)
    return data


def vectors(text):
    """Kind, name and steps (a word, what follows it, bytes) of the blocks that are exchanges."""
    for block in re.findall(r"^```\n((?:call|reqrep|stream) .*?)\n```$", text, re.M | re.S):
        first, *lines = block.split("\n")
        steps = []
        for line in lines:
            word, _, rest = line.partition(" ")
            if word in ("send", "bytes", "closed", "answer", "payload"):
                steps.append((word, rest, []))
            else:
                steps[-1][2].append(line)
        yield (*first.split(" ", 1), [(word, rest, read_bytes(hexed)) for word, rest, hexed in steps])


STATUS_FIELDS = {"code": 1, "reason": 2, "field": 4}
REASONS = {"REASON_INVALID_ARGUMENT": 2, "REASON_NOT_FOUND": 18}


def same_header(got, want):
    """But for a status' words for people."""
    status = {STATUS_FIELDS[key]: REASONS.get(value, value) for key, value in want.get("status", {}).items()}
    found = {index: value.decode() if isinstance(value, bytes) else value
             for index, value in got.get("status", {}).items() if index != 3}
    rest = lambda header: {key: value for key, value in header.items() if key != "status"}
    return rest(got) == rest(want) and found == status and ("status" in got) == ("status" in want)


def run_call(path, steps):
    door = Door(path)
    got, payload = read_packet(door.exchange(steps[0][2]))
    wanted = {word: rest for word, rest, _ in steps}
    said = bytes([8, 1]) if "SERVING" in wanted.get("payload", "") else b""
    good = same_header(got, json.loads(wanted["answer"])) and payload == said
    return good, f"{got} {payload.hex()}"


def run_raw(path, steps, framed):
    door = Door(path, greeting=None)
    for word, rest, data in steps:
        if word == "send":
            door.socket.sendall(data)
        elif word == "bytes":
            got = door.read(len(data))
            if got != data:
                return False, got.hex()
        elif word == "answer":
            got, _ = read_packet(door.receive_frame() if framed else door.receive()[1])
            if not same_header(got, json.loads(rest)):
                return False, got
        elif not door.closed():
            return False, "not closed"
    return True, ""


def run_vectors(text, path, stream_path):
    count = 0
    for kind, name, steps in vectors(text):
        if kind == "call":
            good, got = run_call(path, steps)
        elif kind == "reqrep":
            good, got = run_raw(path, steps, False)
        elif stream_path:
            good, got = run_raw(stream_path, steps, True)
        else:
            continue
        check(good, f"{kind} {name}", got)
        count += 1
    check(count >= (65 if stream_path else 48), f"{count} vectors were found")


# --- calls ---

def run_calls(path, customer):
    door = Door(path)
    got, payload = door.call("lotcast.v1.Health/Check")
    check("status" not in got and payload == b"\x08\x01", "Health/Check answers SERVING", got)
    got, payload = door.call("lotcast.v1.Reflection/ListServices")
    names = {bytes(dict(fields(service))[1]).decode() for _, service in fields(payload)}
    check({"lotcast.v1.Auth", "lotcast.v1.Billing", "lotcast.v1.Reflection"} <= names, "Reflection lists services", names)
    got, payload = door.call("lotcast.v1.Dashboard/GetDashboard", metadata=[("customer-id", customer)])
    check("status" not in got and payload, "an operator sees a customer's dashboard", got)
    got, payload = door.call("lotcast.v1.Auth/LogIn", field(1, "nobody@example.com") + field(2, "not the password"))
    status = got.get("status", {})
    check(status.get(1) == 16 and status.get(2) == 14 and not payload, "a wrong password is refused with a status", got)
    got, payload = door.call("lotcast.v1.Dashboard/GetDashboard", metadata=[("principal", "admin"), ("role", "admin")])
    check("status" in got and not payload, "who one is cannot be claimed in metadata", got)
    # Many at once on one connection: answers in any order, told apart by their request ids.
    header = field(1, 1) + field(2, 5) + field(3, "lotcast.v1.Health/Check")
    packet = struct.pack("<I", len(header)) + header
    first = door.last_id + 1
    for _ in range(100):
        door.send(packet)
    ids = {door.receive()[0] for _ in range(100)}
    check(ids == set(range(first, first + 100)), "a hundred calls at once are all answered")


def main():
    protocol, path, customer, *stream_path = sys.argv[1:]
    with open(protocol, encoding="utf-8") as file:
        text = file.read()
    run_vectors(text, path, stream_path[0] if stream_path else None)
    run_calls(path, customer)
    print(f"1..{checks}")
    return 1 if failures else 0


sys.exit(main())
