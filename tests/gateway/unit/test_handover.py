"""What one image of the gateway's parent hands to the next."""

import json
import os

import pytest

from momentry.common.env import ConfigurationError
from proxy.gateway.handover import NEVER, Handover, Process, decode
from proxy.gateway.metrics import BYTES_IN, CONNECTIONS, Metrics

PROCESSES = (
    Process(100, 1, (0, 2), 25.0),
    Process(101, 2, (1,), 0.5, kill_at=1234.5),
)


def test_it_comes_out_as_it_went_in() -> None:
    told = decode(Handover((3, 4, 5), 6, PROCESSES).encode())

    assert told == Handover((3, 4, 5), 6, PROCESSES)
    assert [process.stays for process in told.processes] == [True, False]
    assert told.processes[0].kill_at == NEVER
    assert all(process.serves and process.reported for process in told.processes)


def test_figures_of_another_layout_are_left_behind() -> None:
    told = json.loads(Handover((3,), 6, ()).encode())

    assert decode(json.dumps(told | {"layout": told["layout"] + 1})).figures == -1


def test_another_format_is_a_sentence() -> None:
    told = json.loads(Handover((3,), 6, ()).encode())

    with pytest.raises(ConfigurationError, match="stop and start"):
        decode(json.dumps(told | {"format": 2}))


def test_counters_outlive_a_process_and_an_image_and_states_do_not() -> None:
    first = Metrics(4)
    for place in (1, 3):
        first.open_place(place)
        first.take_place(place)
        first.counts[BYTES_IN] += 10
        first.counts[CONNECTIONS] += 1
    first.clear_place(1)

    second = Metrics(4, file=os.dup(first.file))
    second.open_place(1)
    second.take_place(1)
    second.counts[BYTES_IN] += 5

    assert (second.total(BYTES_IN), second.total(CONNECTIONS)) == (25, 1)
    assert first.total(BYTES_IN) == 25
