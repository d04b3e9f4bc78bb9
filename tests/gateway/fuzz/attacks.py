"""Requests that two readers could read differently: each must be refused, and go nowhere.

Fields stand in a POST with ``X-Mark``; what follows it would be a second request.
"""

CHUNKED = b"Transfer-Encoding: chunked"

# After the name and colon.
CODINGS = [
    b" \x0bchunked", b" \x0cchunked", b" chunked\x0b", b" chunked\x1c", b" \x85chunked",
    b" \xa0chunked", b" chunked\xa0", b" chunked, identity", b" identity, chunked", b" chunked,",
    b" ,chunked", b" chunked,chunked", b" chunked chunked", b" xchunked", b" chunkedx", b" chunk",
    b' "chunked"', b" 'chunked'", b" chunked;q=1", b" chunked; a", b" cow", b" identity", b"",
    b" gzip", b" gzip, chunked", b" deflate", b" chunked\x00", b" \x00chunked", b" chun\xc4\xb1ked",
    b" c\rhunked", b"\r\n chunked", b"\r\n\tchunked", b" chunked\nX: y", b"\n chunked", b" te",
]  # fmt: skip
CODING_FIELDS = [
    *(b"Transfer-Encoding:" + value for value in CODINGS),
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked",
    b"X: x\r\n Transfer-Encoding: chunked",
    b"Transfer-Encoding\r\n : chunked",
    b"Transfer-Encoding\r\n: chunked",
    b"Transfer-Encoding\x00: chunked",
    b"Transfer\x00-Encoding: chunked",
    b"\xef\xbb\xbfTransfer-Encoding: chunked",
    b"Transfer\xe2\x80\x90Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"Transfer_Encoding: chunked",
    b"Transfer-Encoding",
    b"Transfer-Encoding=chunked",
    b"Transfer-Encoding;: chunked",
    CHUNKED + b"\r\nContent-Length: 5",
    b"Content-Length: 5\r\n" + CHUNKED,
    b"Content-Length: 0\r\n" + CHUNKED,
    b"content-length: 5\r\nTRANSFER-ENCODING: CHUNKED",
    CHUNKED + b"\r\n" + CHUNKED,
    CHUNKED + b"\r\ntransfer-encoding: identity",
    b"Transfer-Encoding: identity\r\n" + CHUNKED,
    CHUNKED + b"\r\nTransfer-Encoding:",
    CHUNKED + b"\r\nContent_Length: 5",
]

LENGTHS = [
    b"5\r\nContent-Length: 5", b"5\r\nContent-Length: 6", b"5\r\ncontent-length: 0", b"5, 5",
    b"5, 6", b"5,", b",5", b"+5", b"-5", b"- 5", b"-0", b"5 5", b"5\t5", b"0x5", b"0b1", b"0o5",
    b"5_0", b"5.0", b"5e0", b"5;", b'"5"', b"\xd9\xa5", b"\xb2", b"5\x00", b"\x005", b"5\x0b",
    b"5\xa0", b"", b"five", b"5h", b"1 0", b"9007199254740993", b"18446744073709551621",
    b"4294967301" * 2, b"9" * 30, b"0" * 16 + b"5", b"5\r\n 5", b"\r\n 5", b"5\nX: y", b"5\rX: y",
    b"NaN", b"Infinity", b"0;5",
]  # fmt: skip
LENGTH_FIELDS = [
    *(b"Content-Length: " + value for value in LENGTHS),
    b"Content-Length : 5",
    b" Content-Length: 5",
    b"Content-Length\r\n: 5",
    b"Content-Length\x00: 5",
    b"Content_Length: 5",
    b"CONTENT_LENGTH: 5",
    b"Content-Length 5",
    b"Content-Length=5",
]

# A name that no token is, values that no field has.
FIELDS = [
    *(b"X%bY: v" % bytes((code,)) for code in b'()<>@,;\\"/[]?={} \t\x00\x01\x0b\x7f\x80\xa0\xff'),
    *(b"X: a%bb" % bytes((code,)) for code in range(32) if code != 9),
    b"X: \x7f",
    b": v",
    b":",
    b"X",
    b"X\r\nY: v",
    b"X: a\r\n b",
    b"X: a\r\n\tb",
    b"X: a\r\n \r\nY: b",
    b"X: a\r",
    b"X: a\n",
    b"X : a",
    b"X\xc2\xad: a",
    b"X_Api_Key: k",
    b"api_key: k",
    b"X_Momentry_User_Id: 1",
    b"x-momentry_key-id: 1",
    b"X_Forwarded_For: 192.0.2.1",
    b"keep_alive: 1",
    b"Connection_: close\r\nHOST_: a\r\nExpect_: x\r\nx_request_id: 1",
]

HOSTS = [
    b"", b"Host:", b"Host: ", b"Host: a\r\nHost: a", b"Host: a\r\nhost: b", b"Host: a, b",
    b"Host: a b", b"Host: u@a", b"Host: u:p@a", b"Host: a/", b"Host: a/../b", b"Host: a?b",
    b"Host: a#b", b"Host: a\\b", b"Host: a:", b"Host: a:b", b"Host: a:80:80", b"Host: a:-1",
    b"Host: a:+80", b"Host: a:123456", b"Host: a:8\xb2", b"Host: [::1", b"Host: ::1",
    b"Host: [::1]x", b"Host: [a]:x", b"Host: a\x00", b"Host: a\x0bb", b"Host: \xc3\xa4",
    b"Host: a%00b", b"Host: a;b", b"Host: a'b", b"Host: <a>", b"Host : a", b" Host: a",
    b"Host: a\r\n b", b"Host: http://a", b"Host\x00: a", b"HOST_: a",
]  # fmt: skip

REST = b"\r\nhello\r\n0\r\n\r\n"
# Size lines of a chunk of five bytes.
SIZES = [
    b"+5", b"-5", b"0x5", b"5_0", b" 5", b"5 ", b"5\t", b"\t5", b"5;", b"5 ;a", b"5; a", b"5;a=",
    b"5,5", b"5.0", b"5h", b"\xd9\xa5", b"5\x00", b"5\x0b", b"5\r", b"6", b"4", b"7", b"\r\n5",
    b";a",
    b"10000000000000005", b"00000000000000005", b"ffffffffffffffff", b"f" * 21, b"20000000000001",
    b"8000000000000000", b"5;a\rb", b"5;a\nb", b'5;a="\r\n"', b'5;a="b', b"5;a\x00", b"5;\xff",
    b"5;" + b"a" * 2000, b"g", b"",
]  # fmt: skip
# What may not follow a good chunk.
LASTS = [
    b"0\n\n", b"0\r\n\n", b"0\n\r\n", b"00x\r\n\r\n", b"0;\n\r\n", b"-0\r\n\r\n",
    b"0\r\nX: y\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nX : y\r\n\r\n", b"0\r\nnothing\r\n\r\n",
    b"0\r\nX: \x00\r\n\r\n", b"0\r\nX: a\r\n b\r\n\r\n", b"0\r\n: y\r\n\r\n",
    b"0\r\nX: y\rZ: a\r\n\r\n", b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    b"0\r\nA: " + b"x" * 33_000 + b"\r\n\r\n",
]  # fmt: skip
CHUNKS = [
    *(size + REST for size in SIZES),
    *(b"5\r\nhello\r\n" + last for last in LASTS),
    b"5\nhello\n0\n\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5\rhello\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5\r\nhello\r0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhelloXX0\r\n\r\n",
    b"\n",
]

# Whole request lines; "%b" is a path that would be served.
LINES: list[tuple[bytes, int]] = [
    (b"GET %b", 400), (b"GET %b HTTP/0.9", 400), (b"GET %b HTTP/1.2", 400),
    (b"GET %b HTTP/2.0", 400), (b"GET %b HTTP/2", 400), (b"GET %b HTTP/01.1", 400),
    (b"GET %b HTTP/1.01", 400), (b"GET %b HTTP/1,1", 400), (b"GET %b HTTP/11", 400),
    (b"GET %b http/1.1", 400), (b"GET %b HTTPS/1.1", 400), (b"GET %b ICE/1.1", 400),
    (b"GET %b HTTP/1.1 ", 400), (b"GET %b  HTTP/1.1", 400), (b"GET  %b HTTP/1.1", 400),
    (b"GET\t%b HTTP/1.1", 400), (b"GET %b\tHTTP/1.1", 400), (b" GET %b HTTP/1.1", 400),
    (b"\nGET %b HTTP/1.1", 400), (b"\rGET %b HTTP/1.1", 400), (b"GET %b x HTTP/1.1", 400),
    (b"GET %b\x00 HTTP/1.1", 400), (b"GET %b\x0b HTTP/1.1", 400), (b"GET %b\x7f HTTP/1.1", 400),
    (b"GET %b\xc3\xa4 HTTP/1.1", 400), (b"GET %b#x HTTP/1.1", 400), (b"GET %b\rX HTTP/1.1", 400),
    (b"GET * HTTP/1.1", 400), (b"OPTIONS * HTTP/1.1", 400), (b"GET gateway.test:80 HTTP/1.1", 400),
    (b"GET x%b HTTP/1.1", 400), (b"GET http://u@gateway.test%b HTTP/1.1", 400),
    (b"GET http://u:p@gateway.test%b HTTP/1.1", 400), (b"GET http://%b HTTP/1.1", 400),
    (b"GET http://a:x%b HTTP/1.1", 400), (b"GET http://a b%b HTTP/1.1", 400),
    (b"GET http://a\\@b%b HTTP/1.1", 400), (b"GET ftp://gateway.test%b HTTP/1.1", 400),
    (b"GET ws://gateway.test%b HTTP/1.1", 400), (b"GET //[%b HTTP/1.1\x00", 400),
    (b"GET ?%b HTTP/1.1", 400), (b"PRI * HTTP/2.0", 400), (b"G\x00T %b HTTP/1.1", 400),
    (b"G(T %b HTTP/1.1", 400), (b"", 400), (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    (b"get %b HTTP/1.1", 501), (b"Get %b HTTP/1.1", 501), (b"GETX %b HTTP/1.1", 501),
    (b"PROPFIND %b HTTP/1.1", 501), (b"QUERY %b HTTP/1.1", 501), (b"BREW %b HTTP/1.1", 501),
    (b"TRACK %b HTTP/1.1", 501), (b"DEBUG %b HTTP/1.1", 501), (b"GET, %b HTTP/1.1", 400),
    (b"TRACE %b HTTP/1.1", 405), (b"CONNECT %b HTTP/1.1", 405),
    (b"CONNECT gateway.test:443 HTTP/1.1", 405), (b"trace %b HTTP/1.1", 501),
]  # fmt: skip
