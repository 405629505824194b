import functools
import hashlib
import http.server
import threading
from typing import ClassVar

import pytest

from mmkeras.data import download
from mmkeras.data.download import fetch_file, fetch_files, files_sha256, many_files_folder


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `failures` maps a path to how often it fails first, and `cut` shortens."""

    failures: ClassVar[dict] = {}
    cut: ClassVar[set] = set()
    asked: ClassVar[list] = []

    def do_GET(self):
        self.asked.append(self.path)
        if self.failures.get(self.path, 0):
            self.failures[self.path] -= 1
            self.send_error(503)
        elif self.path in self.cut:
            self.cut.discard(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only this")
        else:
            super().do_GET()

    def log_message(self, *arguments):
        return


@pytest.fixture
def served(tmp_path, monkeypatch):
    root = tmp_path / "server"
    root.mkdir()
    for name in "abc":
        (root / f"{name}.bin").write_bytes(name.encode() * 5000)
    Server.failures, Server.cut, Server.asked = {}, set(), []
    monkeypatch.setattr(download, "_SECONDS_BEFORE_RETRY", (0, 0, 0))
    handler = functools.partial(Server, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", tmp_path / "here"
        httpd.shutdown()


NAMES = ["a.bin", "b.bin", "c.bin"]


def test_a_set_of_files_is_fetched_and_not_fetched_again(served):
    address, folder = served
    paths = fetch_files(address, NAMES, folder, description="letters")
    assert [path.read_bytes()[:1] for path in paths] == [b"a", b"b", b"c"]
    asked = len(Server.asked)
    fetch_files(address, NAMES, folder, description="letters")
    assert len(Server.asked) == asked == 3


def test_an_interrupted_download_goes_on_where_it_stopped(served, tmp_path):
    address, folder = served
    missing = tmp_path / "server" / "c.bin"
    missing.rename(tmp_path / "c.bin")
    with pytest.raises(FileNotFoundError, match=r"c\.bin does not exist \(HTTP 404\)"):
        fetch_files(address, NAMES, folder, workers=1, description="letters")
    assert sorted(path.name for path in folder.iterdir()) == ["a.bin", "b.bin"]
    (tmp_path / "c.bin").rename(missing)
    Server.asked.clear()
    fetch_files(address, NAMES, folder, description="letters")
    assert Server.asked == ["/c.bin"]


def test_passing_failures_and_replies_cut_short_are_retried(served):
    address, folder = served
    Server.failures["/a.bin"] = 2
    Server.cut.add("/b.bin")
    fetch_files(address, NAMES, folder, description="letters")
    assert (folder / "b.bin").read_bytes() == b"b" * 5000
    assert Server.asked.count("/a.bin") == 3


def test_lasting_failures_say_what_to_do_and_leave_nothing(served):
    address, folder = served
    Server.failures["/a.bin"] = 99
    with pytest.raises(ConnectionError, match=r"a\.bin .*by hand, or set MMKERAS_DATA") as caught:
        fetch_file(f"{address}/a.bin", folder / "a.bin")
    assert caught.value.__cause__.fp.closed, "the refused request's connection"
    assert list(folder.iterdir()) == []


def test_a_wrong_hash_names_both_and_keeps_nothing(served):
    address, folder = served
    right = hashlib.sha256(b"a" * 5000).hexdigest()
    with pytest.raises(ValueError, match=f"sha256 {right}, expected {'0' * 64}"):
        fetch_file(f"{address}/a.bin", folder / "a.bin", sha256="0" * 64)
    assert list(folder.iterdir()) == []
    (folder / "a.bin").write_text("something else")
    fetch_file(f"{address}/a.bin", folder / "a.bin", sha256=right)
    assert (folder / "a.bin").read_bytes() == b"a" * 5000


@pytest.mark.parametrize("name", ["../a.bin", "x/../../a.bin", "/etc/passwd", "c:\\a", ""])
def test_names_cannot_lead_out_of_the_folder(served, name):
    address, folder = served
    with pytest.raises(ValueError, match="inside the folder"):
        fetch_files(address, [name], folder, description="letters")
    assert Server.asked == []


def test_other_schemes_are_refused(tmp_path):
    (tmp_path / "secret").write_text("x")
    with pytest.raises(ValueError, match="http and https"):
        fetch_file(f"file://{tmp_path}/secret", tmp_path / "copy")


def test_a_folder_that_is_named_and_missing_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path))
    with pytest.warns(UserWarning, match="no folder 'emoji'"):
        assert download.provided_dir("emoji") is None


def test_many_files_are_those_of_one_hash(served, tmp_path, monkeypatch):
    address, _ = served
    sha256 = files_sha256(tmp_path / "server", NAMES)
    monkeypatch.delenv("MMKERAS_DATA", raising=False)
    monkeypatch.setenv("MMKERAS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match=r"The letters in .*not the ones they should be"):
        many_files_folder("set", address, NAMES[:2], sha256=sha256, description="letters")
    folder = many_files_folder("set", address, NAMES, sha256=sha256, description="letters")
    assert folder == tmp_path / "cache" / "set"
    # The user's own folder is checked for what is missing.
    (folder / "b.bin").unlink()
    monkeypatch.setenv("MMKERAS_DATA", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match=r"lacks b\.bin\. Complete the folder"):
        many_files_folder("set", address, NAMES, sha256=sha256, description="letters")
