"""A stand-in for the Hugging Face hub on this computer: real HTTP, the headers its client needs, faults on order."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Hub", "running"]


@dataclass
class Hub:
    """What the stand-in holds and how it misbehaves."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Commit to files."""
    main: str = ""
    """Commit that `main` points to."""
    break_after_bytes: list[int] = field(default_factory=list)
    """One entry is used up per download: the connection ends after so many bytes."""
    status: int = 200
    """Answer to everything, where not 200."""
    html: bool = False
    """Answer everything with a sign-in page."""
    spoil: bool = False
    """Send other bytes than announced, of the same length."""
    announce_spoilt: bool = False
    """Announce the checksum of other bytes."""
    asked: list[str] = field(default_factory=list)
    """'METHOD path [range]' of every request."""
    address: str = ""

    def publish(self, commit: str, files: dict[str, bytes]) -> None:
        self.commits[commit] = files
        self.main = commit

    def downloads(self) -> int:
        return sum(one.startswith("GET /cdn/") for one in self.asked)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve on a free local port until the block ends; no thread is left."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, *, with_body: bool) -> None:
            hub.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".strip())
            if hub.status != 200:
                code = {"X-Error-Code": "RepoNotFound"} if hub.status == 401 else {}
                self.send(hub.status, code, b"no", with_body)
            elif hub.html:
                self.send(200, {"Content-Type": "text/html"}, b"<html>Please sign in</html>", with_body)
            elif self.path.startswith("/api/models/"):
                self.api(with_body)
            elif self.path.startswith("/cdn/"):
                self.content(with_body)
            else:
                self.resolve(with_body)

        def api(self, with_body: bool) -> None:
            repo = self.path.removeprefix("/api/models/").split("?")[0]
            siblings = [
                {
                    "rfilename": name,
                    "size": len(data),
                    "lfs": {"sha256": sha256(data), "size": len(data), "pointerSize": 1},
                }
                for name, data in hub.commits[hub.main].items()
            ]
            body = json.dumps({"id": repo, "modelId": repo, "sha": hub.main, "siblings": siblings, "tags": []}).encode()
            self.send(200, {"Content-Type": "application/json"}, body, with_body)

        def resolve(self, with_body: bool) -> None:
            """Say what a file is, and send to another host for its bytes, as the hub does for large files."""
            _, _, rest = self.path.partition("/resolve/")
            revision, _, name = rest.partition("/")
            commit = hub.main if revision == "main" else revision
            if commit not in hub.commits:
                self.send(404, {"X-Error-Code": "RevisionNotFound"}, b"", with_body)
                return
            data = hub.commits[commit].get(name)
            if data is None:
                self.send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b"", with_body)
                return
            announced = sha256(data + b"!" if hub.announce_spoilt else data)
            headers = {
                "X-Repo-Commit": commit,
                "X-Linked-Etag": f'"{announced}"',
                "X-Linked-Size": str(len(data)),
                "X-Xet-Hash": announced,
                "X-Xet-Refresh-Route": "/api/xet",
                "Location": f"http://localhost:{self.server.server_port}/cdn/{commit}/{name}",
            }
            self.send(302, headers, b"", with_body)

        def content(self, with_body: bool) -> None:
            _, _, commit, name = self.path.split("/")
            data = hub.commits[commit][name]
            if hub.spoil:
                data = data[:-1] + bytes([data[-1] ^ 1])
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            headers = {"Accept-Ranges": "bytes", "ETag": f'"{sha256(data)}"'}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send(206 if start else 200, headers, data[start:], with_body, can_break=True)

        def send(
            self, status: int, headers: dict[str, str], body: bytes, with_body: bool, *, can_break: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body and can_break and hub.break_after_bytes:
                self.wfile.write(body[: hub.break_after_bytes.pop(0)])
                self.close_connection = True
            elif with_body:
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
