"""Requests of HTTP that are refused, each with its status, and those that are understood."""

from __future__ import annotations

from chatcli.gateway.web.heads import MOST_HEAD

MOST = 100  # bytes of a body that a test takes
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST /ops HTTP/1.1\r\nHost: here\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


#: Heads that are refused, with the statuses.
REFUSED = {
    "no request": (b"hello\r\n\r\n", 400),
    "no target": (b"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target with a space": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target with other letters": (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "fragment": (b"GET /#ops HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "HTTP/2": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/3": (b"GET / HTTP/3\r\nHost: a\r\n\r\n", 505),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\n\r\n", 505),
    "HTTP/11": (b"GET / HTTP/11.0\r\nHost: a\r\n\r\n", 505),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "no host in a later version": (b"GET / HTTP/1.7\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LF at the end": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    "bare LF in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", 400),
    "LF only": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", 400),
    "two CR": (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
    "folded header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    "folded first header": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "NUL": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    "control character": (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[8m\r\n\r\n", 400),
    "space before a colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400),
    "header without a name": (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    "two different lengths": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "two equal lengths": (POST + b"Content-Length: 3\r\ncontent-length: 3\r\n\r\nabc", 400),
    "list of lengths": (POST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    "negative length": (POST + b"Content-Length: -3\r\n\r\nabc", 400),
    "length with a sign": (POST + b"Content-Length: +3\r\n\r\nabc", 400),
    "length in hexadecimal": (POST + b"Content-Length: 0x3\r\n\r\nabc", 400),
    "empty length": (POST + b"Content-Length:\r\n\r\n", 400),
    "length of many digits": (POST + b"Content-Length: %b\r\n\r\n" % (b"9" * 5000), 413),
    "length beyond 64 bits": (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 413),
    "length and chunked": (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunked and length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "gzip as coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "identity as coding": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "chunked as part of a word": (POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "compressed body": (POST + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 415),
    "two tokens": (POST + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400),
    "expectation": (POST + b"Expect: wonders\r\nContent-Length: 3\r\n\r\nabc", 417),
    "request to a proxy": (b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "target without a host": (b"GET http:ops HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 400),
    "star": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "long head": (b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"x" * MOST_HEAD), 431),
    "long target": (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * MOST_HEAD), 431),
    "endless head": (b"GET /%b" % (b"x" * 2 * MOST_HEAD), 431),
    "many headers": (b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"a:\r\n" * 100), 431),
    "chunk that is too long": (CHUNKED + b"2\r\nabc\r\n0\r\n\r\n", 400),
    "chunk that is too short": (CHUNKED + b"4\r\nabc\r\n0\r\n\r\n", 400),
    "chunk with a sign": (CHUNKED + b"+1\r\na\r\n0\r\n\r\n", 400),
    "chunk in another base": (CHUNKED + b"0x1\r\na\r\n0\r\n\r\n", 400),
    "chunk of many digits": (CHUNKED + b"1" * 17 + b"\r\na\r\n0\r\n\r\n", 400),
    "chunk with bare LF": (CHUNKED + b"1\na\r\n0\r\n\r\n", 400),
    "chunk without a size": (CHUNKED + b"\r\na\r\n0\r\n\r\n", 400),
    "long extension": (CHUNKED + b"1;" + b"x" * 5000 + b"\r\na\r\n0\r\n\r\n", 400),
    "NUL in an extension": (CHUNKED + b"1;\0\r\na\r\n0\r\n\r\n", 400),
    "trailer with bare LF": (CHUNKED + b"0\r\nA: b\n\r\n", 400),
    "trailers that end with LF": (CHUNKED + b"0\r\nA: b\r\n\n", 400),
    "folded trailer": (CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", 400),
    "many trailers": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 5000 + b"\r\n", 400),
}


#: Requests that are understood, with method, path, host and body.
UNDERSTOOD = {
    "plain": (GET, "GET", "/", "here", b""),
    "blank lines before": (b"\r\n\r\n" + GET, "GET", "/", "here", b""),
    "HTTP/1.0 without a host": (b"GET / HTTP/1.0\r\n\r\n", "GET", "/", None, b""),
    "a later version": (b"GET / HTTP/1.7\r\nHost: here\r\n\r\n", "GET", "/", "here", b""),
    "absolute target": (b"GET http://there:80/a HTTP/1.1\r\nHost: here\r\n\r\n", "GET", "/a", "there:80", b""),
    "absolute target without a path": (b"GET HTTPS://there HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/", "there", b""),
    "absolute target with a query": (b"GET http://there?a HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/", "there", b""),
    "star": (b"OPTIONS * HTTP/1.1\r\nHost: here\r\n\r\n", "OPTIONS", "/", "here", b""),
    "slashes": (b"GET //evil.example/ HTTP/1.1\r\nHost: here\r\n\r\n", "GET", "//evil.example/", "here", b""),
    "header without a value": (b"GET / HTTP/1.1\r\nHost: here\r\nX:\r\n\r\n", "GET", "/", "here", b""),
    "letters beyond ASCII": (b"GET / HTTP/1.1\r\nHost: here\r\nX: \xc3\xa4\r\n\r\n", "GET", "/", "here", b""),
    "empty body": (POST + b"Content-Length: 0\r\n\r\n", "POST", "/ops", "here", b""),
    "length with zeros": (POST + b"Content-Length: 003\r\n\r\nabc", "POST", "/ops", "here", b"abc"),
    "length with spaces": (POST + b"Content-Length: \t3 \r\n\r\nabc", "POST", "/ops", "here", b"abc"),
    "longest body": (POST + b"Content-Length: 100\r\n\r\n" + b"x" * MOST, "POST", "/ops", "here", b"x" * MOST),
    "chunks": (CHUNKED + b"1\r\na\r\n00000A\r\n0123456789\r\n0\r\n\r\n", "POST", "/ops", "here", b"a0123456789"),
    "extensions and trailers": (CHUNKED + b"1;a=b\r\na\r\n0;x\r\nA: b\r\n\r\n", "POST", "/ops", "here", b"a"),
    "no chunks": (CHUNKED + b"0\r\n\r\n", "POST", "/ops", "here", b""),
    "many chunks": (CHUNKED + b"1\r\na\r\n" * MOST + b"0\r\n\r\n", "POST", "/ops", "here", b"a" * MOST),
    "identity": (POST + b"Content-Encoding: identity\r\nContent-Length: 1\r\n\r\na", "POST", "/ops", "here", b"a"),
    "body of a GET": (
        b"GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\na", "GET", "/", "here", b"a",
    ),
    "longest head": (GET[:-2] + b"X: " + b"x" * (MOST_HEAD - len(GET) - 1) + b"\r\n\r\n", "GET", "/", "here", b""),
}  # fmt: skip


REQUESTS: list[bytes] = [case[0] for case in REFUSED.values()] + [case[0] for case in UNDERSTOOD.values()]
