"""What surrounds a container, in a network namespace of its own: a name server as an engine has, and web servers that
each answer with their own address.

    network.py RECORDS ADDRESS...

RECORDS is a JSON file of names with their addresses. It is read for each question, so a test changes it as it goes.
"""

import json
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

A, AAAA = 1, 28
NO_SUCH_NAME = 3


def answer(question, records):
    """The answer to a question, by RFC 1035 section 4.1; for a name without such addresses an empty one."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    end = at + 5
    (kind,) = struct.unpack_from(">H", question, at + 1)
    addresses = records.get(".".join(labels))
    family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(kind)
    packed = [
        socket.inet_pton(family, address)
        for address in addresses or []
        if family == (socket.AF_INET6 if ":" in address else socket.AF_INET)
    ]
    # A response, recursion desired and available.
    flags = 0x8180 | (NO_SUCH_NAME if addresses is None else 0)
    head = question[:2] + struct.pack(">HHHHH", flags, 1, len(packed), 0, 0)
    # The name is where the question has it; a long time to live, which no stub resolver keeps to.
    lines = (b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 600, len(data)) + data for data in packed)
    return head + question[12:end] + b"".join(lines)


def serve_names(server, path):
    while True:
        question, client = server.recvfrom(4096)
        with open(path, encoding="utf-8") as file:
            server.sendto(answer(question, json.load(file)), client)


class OwnAddress(BaseHTTPRequestHandler):
    """Closes after each answer, so that whoever asks again has to look the name up again."""

    def do_GET(self):
        body = self.server.server_address[0].encode("ascii")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class IPv6Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6


def main(path, *addresses):
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind(("127.0.0.11", 53))
    for address in addresses:
        server = (IPv6Server if ":" in address else ThreadingHTTPServer)((address, 1080), OwnAddress)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    serve_names(names, path)


main(*sys.argv[1:])
