"""What waits for a name is found by the things that may teach it, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

from tests.fakes import START
from zennotify.decider.waiting import MOST_WAITING, Waiting, WaitingRoom


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


def test_a_room_that_is_full_takes_nobody_more() -> None:
    room = WaitingRoom()
    for number in range(MOST_WAITING + 1):
        room.enter(waiting(number, "center x"))
    assert len(room) == MOST_WAITING
    room.leave([waiting(0, "center x")])
    room.enter(waiting(MOST_WAITING + 1, "guest a"))
    assert [one.delivery for one in room.waiting_for(["guest a"])] == [MOST_WAITING + 1]


def test_who_has_waited_long_enough_goes() -> None:
    room = WaitingRoom()
    for number in range(5):
        room.enter(Waiting(number, "desk", START + timedelta(seconds=number), ("center x",)))
    room.leave([room.waiting_for(["center x"])[0]])
    room.end(START + timedelta(seconds=2))
    assert [one.delivery for one in room.waiting_for(["center x"])] == [3, 4]
    assert len(room) == 2
    room.end(START + timedelta(hours=1))
    assert len(room) == 0
