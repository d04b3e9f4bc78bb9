"""A client that ended its side may still want the answer to what it sent; no more comes."""

from typing import TYPE_CHECKING

from proxy.gateway.connection import BODY, HALF_CLOSED_SECONDS, HEAD, WAIT

if TYPE_CHECKING:
    from proxy.gateway.client_side import ClientSide


def end(client: "ClientSide") -> bool:
    """Its last byte has come. True keeps our side open."""
    client.ended = True
    if client.phase == BODY and client.exchange is not None:
        if client.flowing or is_short(client):
            give_up(client)
        else:  # the body is held here until the gate and the upstream's connection are ready
            client.deadline = patience(client)
        return True
    if client.phase == WAIT:
        client.deadline = patience(client)
        return True
    if client.phase == HEAD and client.buffer:  # more requests, or a part of one: it is seen there
        client.core.loop.call_soon(client.read_next)
        return True
    return False


def is_short(client: "ClientSide") -> bool:
    return client.decoder is None and len(client.buffer) < client.left


def body_fed(client: "ClientSide") -> None:
    """What was held has gone on: it was the whole body, or there is none."""
    if client.phase == BODY:
        give_up(client)
    elif client.phase == WAIT:
        client.deadline = patience(client)


def give_up(client: "ClientSide") -> None:
    if client.exchange is not None:
        client.exchange.fail("bad_request", "The body ended before its time.")


def patience(client: "ClientSide") -> float:
    """Until when an answer is waited for: who ended both sides looks the same from here."""
    return client.core.loop.time() + HALF_CLOSED_SECONDS
