"""An OpenAI-compatible endpoint that answers as it is told, and remembers what it was asked."""

import http.server
import json
import threading

GOOD = {
    "overview": "They spoke of the weather.",
    "key_topics": ["weather"],
    "active_users": ["Ann"],
    "notable_discussions": ["whether it rains"],
    "mood": "calm",
    "key_themes": ["weather"],
}


def completion(content):
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


class ModelServer(http.server.ThreadingHTTPServer):
    """`behave(handler, number)` serves the request of that number, from 1; without one each gets GOOD."""

    daemon_threads = True

    def __init__(self, behave=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave = behave or (lambda handler, number: handler.answer(200, completion(json.dumps(GOOD))))
        self.asked = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1/"

    def handle_error(self, request, client_address):
        """A client that goes in the middle is no error of ours."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.asked.append((self.path, dict(self.headers), json.loads(body)))
            number = len(self.server.asked)
        self.server.behave(self, number)

    def answer(self, status, body, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
