"""An S3 server on this machine, and a proxy before it that drops connections."""

import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "crabs"
_AMOUNT = 1 << 16


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
