"""What openai-python really sends: one call of it, caught by a socket, as raw bytes."""

import socket
import threading
from collections.abc import Mapping
from typing import Final

import openai

TEXT: Final = "Say what this clip shows, in one sentence. " * 11
ANSWER: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def sdk_request(path: str, key: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Its POST of a chat completion below this path; Host is that of the socket here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        caught: list[bytes] = []
        thread = threading.Thread(target=catch, args=(server, caught))
        thread.start()
        client = openai.OpenAI(
            api_key=key,
            base_url=f"http://127.0.0.1:{server.getsockname()[1]}{path}",
            max_retries=0,
            default_headers=headers,
        )
        try:
            client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[
                    {"role": "system", "content": "You describe videos."},
                    {"role": "user", "content": TEXT},
                ],
                temperature=0.2,
            )
        except openai.BadRequestError:
            thread.join()
        client.close()
    return b"".join(caught)


def catch(server: socket.socket, caught: list[bytes]) -> None:
    """One request, whole: the SDK sends a Content-Length."""
    connection, _ = server.accept()
    with connection:
        connection.settimeout(10)
        while not is_whole(b"".join(caught)) and (piece := connection.recv(65_536)):
            caught.append(piece)
        connection.sendall(ANSWER)


def is_whole(request: bytes) -> bool:
    head, ended, body = request.partition(b"\r\n\r\n")
    fields = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    length = {name.lower(): value for name, _, value in fields}.get(b"content-length", b"0")
    return bool(ended) and len(body) >= int(length)
