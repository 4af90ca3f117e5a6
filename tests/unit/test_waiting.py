"""What waits for a name is found by the things that may teach it, and nothing else is."""

from __future__ import annotations

from tests.fakes import START
from zennotify.waiting import MOST_AWAITED, Waiting, WaitingRoom


def waiting(number: int, *things: str) -> Waiting:
    return Waiting(number, "desk", START, things)


def test_a_delivery_waits_for_any_of_its_things_and_leaves_once() -> None:
    room = WaitingRoom()
    first, second = waiting(1, "guest a", "group b"), waiting(2, "group b")
    room.enter(first)
    room.enter(second)
    assert room.waiting_for(["guest c"]) == []
    assert room.waiting_for(["guest a"]) == [first]
    assert room.waiting_for({"guest a", "group b"}) in ([first, second], [second, first])
    room.leave([first])
    assert room.waiting_for(["guest a", "group b"]) == [second]
    room.leave([first, second])
    assert room.waiting_for(["guest a", "group b"]) == []


def test_a_room_that_is_full_is_emptied() -> None:
    room = WaitingRoom()
    for number in range(MOST_AWAITED + 1):
        room.enter(waiting(number, f"guest {number}"))
    assert room.waiting_for(["guest 0"]) == []
    assert room.waiting_for([f"guest {MOST_AWAITED}"]) == [waiting(MOST_AWAITED, f"guest {MOST_AWAITED}")]
