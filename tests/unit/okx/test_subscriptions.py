"""The record of wanted channels, without any socket."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from kokex.adapters.okx.subscriptions import Answer, Subscriptions
from kokex.adapters.okx.wire import Frame
from kokex.adapters.okx.wishes import Channel, Wishes

ETH = Channel("orders", "ETH-USDT", "SPOT")
BTC = Channel("orders", "BTC-USDT", "SPOT")


def frame(**fields: Any) -> Frame:
    """A control frame as it comes off the wire."""
    return msgspec.json.decode(json.dumps(fields), type=Frame)


def sent(subscriptions: Subscriptions) -> list[dict[str, Any]]:
    """The requests of this moment."""
    return [json.loads(request) for request in subscriptions.requests()]


class Record(Subscriptions):
    """Subscriptions with their wishes."""

    def __init__(self, *channels: Channel) -> None:
        self.wishes = Wishes()
        for channel in channels:
            self.wishes.want(channel)
        super().__init__(self.wishes)

    def on_a_new_connection(self) -> Record:
        """The same wishes, and nothing said yet."""
        return Record(*self.wishes.admitted)


def wanting(*channels: Channel) -> tuple[Record, dict[str, Any]]:
    """A record that wants `channels` and has asked for them."""
    subscriptions = Record(*channels)
    (request,) = sent(subscriptions)
    return subscriptions, request


def test_one_request_asks_for_all_and_nothing_is_asked_twice() -> None:
    """A request counts once against the hourly budget, however many channels it names."""
    subscriptions, request = wanting(ETH, BTC)
    assert request["op"] == "subscribe"
    assert request["args"] == [
        {"channel": "orders", "instId": "ETH-USDT", "instType": "SPOT"},
        {"channel": "orders", "instId": "BTC-USDT", "instType": "SPOT"},
    ]
    assert sent(subscriptions) == [] and not subscriptions.complete


def test_acknowledgements_are_matched_by_id_and_argument() -> None:
    """A foreign id changes nothing; the argument may carry more fields than ours."""
    subscriptions, request = wanting(ETH, BTC)
    argument = {"channel": "orders", "instId": "ETH-USDT", "instType": "SPOT", "uid": "44"}
    subscriptions.on_acknowledged(frame(event="subscribe", id="other", arg=argument))
    assert not subscriptions.complete
    subscriptions.on_acknowledged(frame(event="subscribe", id=request["id"], arg=argument))
    assert not subscriptions.complete
    subscriptions.on_acknowledged(frame(event="subscribe", id=request["id"], arg=request["args"][1]))
    assert subscriptions.complete and sent(subscriptions) == []


def test_an_acknowledgement_without_an_id_is_matched_by_its_argument() -> None:
    """The id is optional in the protocol."""
    subscriptions, request = wanting(ETH)
    subscriptions.on_acknowledged(frame(event="subscribe", arg=request["args"][0]))
    assert subscriptions.complete


def test_a_new_connection_asks_for_what_is_wanted_now() -> None:
    """Not for what was acknowledged before."""
    subscriptions, request = wanting(ETH, BTC)
    for argument in request["args"]:
        subscriptions.on_acknowledged(frame(event="subscribe", id=request["id"], arg=argument))
    subscriptions.wishes.unwant(BTC)
    (again,) = sent(subscriptions.on_a_new_connection())
    assert [argument["instId"] for argument in again["args"]] == ["ETH-USDT"]


def test_what_is_no_longer_wanted_is_unsubscribed() -> None:
    """And the record stays complete meanwhile: nothing was missed."""
    subscriptions, request = wanting(ETH, BTC)
    for argument in request["args"]:
        subscriptions.on_acknowledged(frame(event="subscribe", id=request["id"], arg=argument))
    subscriptions.wishes.unwant(ETH)
    assert subscriptions.complete
    (request,) = sent(subscriptions)
    assert request["op"] == "unsubscribe" and request["args"][0]["instId"] == "ETH-USDT"
    assert sent(subscriptions) == []


def test_a_channel_unwanted_before_its_acknowledgement_is_unsubscribed_after_it() -> None:
    """Or it would push for ever."""
    subscriptions, request = wanting(ETH)
    subscriptions.wishes.unwant(ETH)
    assert sent(subscriptions) == []
    subscriptions.on_acknowledged(frame(event="subscribe", id=request["id"], arg=request["args"][0]))
    assert sent(subscriptions)[0]["op"] == "unsubscribe"


def test_a_refused_channel_is_reported_and_not_asked_for_again() -> None:
    """Until the next connection."""
    subscriptions, request = wanting(ETH)
    answer = subscriptions.on_error(frame(event="error", id=request["id"], code="60018", msg="Wrong URL"))
    assert answer is Answer.TAKEN
    assert subscriptions.refused == {ETH: "60018 Wrong URL"} and subscriptions.complete
    assert len(sent(subscriptions.on_a_new_connection())) == 1


def test_an_error_for_several_channels_makes_each_be_asked_for_alone() -> None:
    """An error need not say which of them it means."""
    subscriptions, request = wanting(ETH, BTC)
    subscriptions.on_error(frame(event="error", id=request["id"], code="60018"))
    requests = sent(subscriptions)
    assert [len(request["args"]) for request in requests] == [1, 1]
    subscriptions.on_error(frame(event="error", id=requests[0]["id"], code="60018"))
    subscriptions.on_acknowledged(frame(event="subscribe", id=requests[1]["id"], arg=requests[1]["args"][0]))
    assert set(subscriptions.refused) == {ETH} and subscriptions.complete


def test_what_was_refused_before_is_asked_for_alone() -> None:
    """On the next connection it takes no other channel's request with it."""
    subscriptions, request = wanting(ETH, BTC)
    subscriptions.on_error(frame(event="error", id=request["id"], arg=request["args"][0], code="60018"))
    again = sent(Subscriptions(subscriptions.wishes))
    assert [one["args"] for one in again] == [[request["args"][1]], [request["args"][0]]]


def test_channels_of_different_names_have_requests_of_their_own() -> None:
    """An account that may not have one of them has the others."""
    requests = sent(Record(ETH, Channel("fills"), BTC, Channel("account")))
    assert [[one["channel"] for one in request["args"]] for request in requests] == [
        ["orders", "orders"],
        ["fills"],
        ["account"],
    ]


def test_an_error_that_names_its_channel_harms_it_alone() -> None:
    """The others of its request are waited for."""
    subscriptions, request = wanting(ETH, BTC)
    subscriptions.on_error(frame(event="error", id=request["id"], arg=request["args"][0], code="60018"))
    subscriptions.on_acknowledged(frame(event="subscribe", id=request["id"], arg=request["args"][1]))
    assert set(subscriptions.refused) == {ETH} and subscriptions.complete


def test_too_often_is_asked_again_later() -> None:
    """60014 is no refusal of the channel."""
    subscriptions, request = wanting(ETH)
    answer = subscriptions.on_error(frame(event="error", id=request["id"], code="60014"))
    assert answer is Answer.AGAIN_LATER and not subscriptions.refused
    assert subscriptions.put_off == {ETH} and sent(subscriptions) == []
    subscriptions.ask_again()
    assert len(sent(subscriptions)) == 1


def test_a_dropped_channel_is_asked_for_again() -> None:
    """channel-conn-count-error: acknowledged, and dead all the same."""
    subscriptions, request = wanting(ETH)
    subscriptions.on_acknowledged(frame(event="subscribe", id=request["id"], arg=request["args"][0]))
    subscriptions.on_dropped("orders")
    assert subscriptions.live == frozenset() and subscriptions.put_off == {ETH}
    subscriptions.ask_again()
    assert not subscriptions.complete and len(sent(subscriptions)) == 1


def test_an_error_that_answers_nothing_is_unrelated() -> None:
    """It is then kept for a person to see."""
    assert Record().on_error(frame(event="error", code="60012")) is Answer.UNRELATED


def test_many_channels_are_asked_for_in_several_requests() -> None:
    """No request grows past what OKX takes."""
    subscriptions = Record(*[Channel("orders", f"COIN{number}-USDT", "SPOT") for number in range(120)])
    requests = subscriptions.requests()
    assert [len(json.loads(request)["args"]) for request in requests] == [50, 50, 20]
    assert max(map(len, requests)) < 8192


def test_long_names_make_smaller_requests() -> None:
    """A frame that is too large closes the connection."""
    subscriptions = Record(*[Channel("orders", "N" * 1000 + str(number), "SPOT") for number in range(10)])
    requests = subscriptions.requests()
    assert len(requests) == 4 and max(map(len, requests)) < 4300
    assert sum(len(json.loads(request)["args"]) for request in requests) == 10


def test_all_spot_and_all_swaps_are_two_subscriptions() -> None:
    """They differ in the type alone, and an acknowledgement names it."""
    spot, swaps = Channel("orders", None, "SPOT"), Channel("orders", None, "SWAP")
    subscriptions, request = wanting(spot, swaps)
    assert request["args"] == [
        {"channel": "orders", "instType": "SPOT"},
        {"channel": "orders", "instType": "SWAP"},
    ]
    subscriptions.on_acknowledged(frame(event="subscribe", id=request["id"], arg=request["args"][1]))
    assert subscriptions.live == {swaps} and subscriptions.waiting


def test_a_refused_channel_that_is_wanted_anew_is_asked_for_anew() -> None:
    """Somebody may have done something about it."""
    subscriptions, request = wanting(ETH)
    subscriptions.on_error(frame(event="error", id=request["id"], code="60018"))
    subscriptions.wishes.unwant(ETH)
    assert sent(subscriptions) == [] and subscriptions.refused == {}
    subscriptions.wishes.want(ETH)
    assert len(sent(subscriptions)) == 1


def test_what_does_not_fit_waits_for_room() -> None:
    """64 KB of channels a connection: the wish beyond is never sent, and says why."""
    wishes = Wishes()
    channels = [Channel("orders", "N" * 6000 + str(number), "SPOT") for number in range(12)]
    for channel in channels:
        wishes.want(channel)
    assert wishes.admitted == tuple(channels[:10]) and set(wishes.crowded_out) == set(channels[10:])
    assert "65536 bytes" in wishes.crowded_out[channels[11]]
    wishes.unwant(channels[0])
    assert wishes.admitted == tuple(channels[1:11]) and set(wishes.crowded_out) == {channels[11]}
