"""The payment service outside the shop: HTTPS, says "paid" to everything."""

import socketserver
import ssl
import sys
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"paid\n")

    def log_message(self, format, *arguments):
        pass


class Server(socketserver.ThreadingTCPServer):
    """Does the TLS handshake in the connection's own thread, so that a silent client holds up nobody."""

    allow_reuse_address = True
    daemon_threads = True

    def finish_request(self, request, client_address):
        request.settimeout(5)
        with context.wrap_socket(request, server_side=True) as secure:
            self.RequestHandlerClass(secure, client_address, self)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
Server(("0.0.0.0", 443), Handler).serve_forever()
