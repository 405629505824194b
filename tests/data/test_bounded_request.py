"""Servers that never come to an end: a download does, in time, and leaves nothing."""

import http.server
import threading
import time

import pytest

from mmkeras.data import download
from mmkeras.data.bounded_request import Bounds, bounded_reply
from mmkeras.data.download import fetch_file

BOUNDS = Bounds(bytes=1 << 20, seconds=20, slow_seconds=0.4, bytes_per_second=1000)


class Server(http.server.BaseHTTPRequestHandler):
    """Each path is a way of going on for ever; all of them stop when the other side leaves."""

    stopped: threading.Event

    def do_GET(self):
        try:
            getattr(self, self.path.strip("/"))()
        except OSError:
            return

    def headers_end(self, *lines):
        self.send_response(200)
        for line in lines:
            self.send_header(*line)
        self.end_headers()

    def drip(self, piece=b"x"):
        while not self.stopped.wait(0.02):
            self.wfile.write(piece)

    def bytes_one_by_one(self):
        self.headers_end(("Content-Length", "100000"))
        self.drip()

    def bytes_without_a_length(self):
        self.headers_end()
        self.drip()

    def a_header_line(self):
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
        self.drip()

    def a_chunk_size(self):
        self.protocol_version = "HTTP/1.1"
        self.headers_end(("Transfer-Encoding", "chunked"))
        self.drip(b"0")

    def an_endless_file(self):
        self.headers_end()
        while not self.stopped.is_set():
            self.wfile.write(bytes(1 << 16))

    def a_file_of_a_terabyte(self):
        self.headers_end(("Content-Length", str(10**12)))

    def slow_and_whole(self):
        self.headers_end(("Content-Length", "3000"))
        for _ in range(3):
            self.wfile.write(bytes(1000))
            time.sleep(0.3)

    def elsewhere(self):
        self.send_response(302)
        self.send_header("Location", "ftp://127.0.0.1/file")
        self.end_headers()

    def log_message(self, *arguments):
        return


@pytest.fixture(scope="module")
def address():
    Server.stopped = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as httpd:
        httpd.daemon_threads = True
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        Server.stopped.set()
        httpd.shutdown()


@pytest.fixture(autouse=True)
def tried_twice(monkeypatch):
    monkeypatch.setattr(download, "_SECONDS_BEFORE_RETRY", (0,))


@pytest.mark.parametrize(
    "kind", ["bytes_one_by_one", "bytes_without_a_length", "a_header_line", "a_chunk_size"]
)
def test_a_server_of_a_few_bytes_a_second_is_given_up(address, tmp_path, kind):
    started = time.monotonic()
    with pytest.raises(ConnectionError, match=r"only [\d,]+ bytes came in [\d.]+ s.*by hand"):
        fetch_file(f"{address}/{kind}", tmp_path / "file", bounds=BOUNDS)
    assert time.monotonic() - started < 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [("an_endless_file", "gives more than"), ("a_file_of_a_terabyte", "1,000,000,000,000 bytes")],
)
def test_a_reply_that_would_fill_the_disk_is_refused(address, tmp_path, kind, words):
    with pytest.raises(ValueError, match=words):
        fetch_file(f"{address}/{kind}", tmp_path / "file", bounds=BOUNDS)
    assert list(tmp_path.iterdir()) == []


def test_all_tries_together_take_no_longer_than_one_may(address, tmp_path):
    bounds = Bounds(bytes=1 << 40, seconds=0.5, slow_seconds=60, bytes_per_second=0)
    started = time.monotonic()
    with pytest.raises(ConnectionError, match="bytes came in"):
        fetch_file(f"{address}/bytes_one_by_one", tmp_path / "file", bounds=bounds)
    assert time.monotonic() - started < 3


def test_what_is_slow_and_not_too_slow_arrives(address, tmp_path):
    fetch_file(f"{address}/slow_and_whole", tmp_path / "file", bounds=BOUNDS)
    assert (tmp_path / "file").read_bytes() == bytes(3000)


def test_a_redirection_to_another_protocol_is_not_followed(address, tmp_path):
    with pytest.raises(ConnectionError, match="not http or https"):
        fetch_file(f"{address}/elsewhere", tmp_path / "file", bounds=BOUNDS)


def test_a_connection_is_closed_when_the_reply_has_ended(address):
    before = threading.active_count()
    with bounded_reply(f"{address}/slow_and_whole", BOUNDS) as (announced, chunks):
        assert announced == sum(map(len, chunks)) == 3000
    assert threading.active_count() <= before + 1  # the server's own
