"""Stands in for the emulator's process: answers when it is ready, and has one "function" running."""

import argparse
import http.server
import os
import subprocess

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--functions-python")
parser.add_argument("--function-environment")
options, _ = parser.parse_known_args()
print("started", sorted(os.environ), flush=True)
print("functions find", options.function_environment, flush=True)
subprocess.Popen([options.functions_python, "-c", "import time; time.sleep(60)", "-m", "awslambdaric"])


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/_ministack/ready" else 404)
        self.end_headers()


http.server.HTTPServer(("127.0.0.1", options.port), Ready).serve_forever()
