"""An S3 server on this machine, and a proxy before it that drops connections."""

import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "crabs"
_AMOUNT = 1 << 16
_TESTS = str(Path(__file__).parents[1])


class S3Server:
    """A real S3 server that listens on 127.0.0.1, with one bucket."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find the server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def client(self) -> Any:
        """Return another client of the same server."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Return the content of all objects of the bucket below a prefix."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
        read = {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
        return {key.removeprefix(prefix): content for key, content in read.items()}


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run an S3 server with an empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        started = S3Server(f"http://{host}:{port}")
        started.client().create_bucket(Bucket=BUCKET)
        yield started
    finally:
        server.stop()


_WITH_ACCESS = """
import threading
from support.object_store import s3_server
with s3_server() as server:
    print(server.endpoint, flush=True)
    threading.Event().wait()
"""


@contextmanager
def server_with_access() -> Iterator[S3Server]:
    """Run an S3 server that lets nobody in, in a process of its own.

    This server checks credentials only where all requests are checked.
    """
    server = subprocess.Popen(
        [sys.executable, "-c", _WITH_ACCESS],
        env=without_aws() | {"INITIAL_NO_AUTH_ACTION_COUNT": "1", "PYTHONPATH": _TESTS},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield S3Server(server.stdout.readline().strip())
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


class DroppingProxy(socketserver.ThreadingTCPServer):
    """Passes connections on, and drops some of them after a part of what the client sent.

    Parameters
    ----------
    endpoint
        The server's.
    every
        Of so many connections, one is dropped.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, endpoint: str, every: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        host, _, port = endpoint.removeprefix("http://").rpartition(":")
        self.behind = (host, int(port))
        self.every = every
        self.count = 0
        self.dropped = 0
        self.lock = threading.Lock()

    def drops_next(self) -> bool:
        """Tell whether the next connection is one to drop."""
        with self.lock:
            self.count += 1
            drops = self.count % self.every == 0
            self.dropped += drops
            return drops


class _Passing(socketserver.BaseRequestHandler):
    server: DroppingProxy

    def handle(self) -> None:
        if self.server.drops_next():
            self.request.recv(100)
            return
        with socket.create_connection(self.server.behind) as behind:
            back = threading.Thread(target=_pass_on, args=(behind, self.request), daemon=True)
            back.start()
            _pass_on(self.request, behind)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while content := source.recv(_AMOUNT):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def dropping_proxy(server: S3Server, every: int) -> Iterator[tuple[S3Server, DroppingProxy]]:
    """Run a proxy before a server; return how clients find it, and the proxy."""
    with DroppingProxy(server.endpoint, every) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            port = proxy.server_address[1]
            yield S3Server(f"http://127.0.0.1:{port}"), proxy
        finally:
            proxy.shutdown()
            thread.join()


def without_aws() -> dict[str, str]:
    """Return the environment without what would lead to a real account."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


class _Counting(BaseHTTPRequestHandler):
    """Counts the requests for each object below the store, and passes them on."""

    protocol_version = "HTTP/1.1"
    endpoint: str
    counts: Counter[str]
    lock = threading.Lock()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        name = "?list" if "list-type" in parts.query else parts.path.partition(".zarr/")[2]
        with self.lock:
            self.counts[name] += 1
        kept = {key: value for key, value in self.headers.items() if key.lower() != "host"}
        request = Request(self.endpoint + self.path, headers=kept)
        try:
            with urlopen(request) as answer:
                self._answer(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            self._answer(error.code, error.headers, error.read())

    def _answer(self, status: int, headers: Message, content: bytes) -> None:
        self.send_response(status)
        for key in ("ETag", "Last-Modified", "Content-Type", "Content-Range"):
            if key in headers:
                self.send_header(key, headers[key])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def counting_proxy(server: S3Server) -> Iterator[tuple[S3Server, Counter[str]]]:
    """Run a proxy for readers before a server; yield how clients find it, and its counts.

    Objects count by their paths below the store, lists as ``?list``.
    """
    counts = Counter[str]()
    handler = type("Handler", (_Counting,), {"endpoint": server.endpoint, "counts": counts})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield S3Server(f"http://127.0.0.1:{proxy.server_address[1]}"), counts
        finally:
            proxy.shutdown()
            thread.join()
