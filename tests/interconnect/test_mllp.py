import itertools
import time

from hypothesis import given
from hypothesis import strategies as st

from interconnect.wire.mllp import HEAD, Event, Fault, Frame, Framer, Incident, wrap

payloads = st.binary(max_size=200).map(lambda data: data.translate(None, b"\x0b\x1c"))
junk = st.binary(max_size=20).map(lambda data: data.translate(None, b"\x0b\x1c"))
streams = st.lists(st.sampled_from([b"\x0b", b"\x1c", b"\x1c\r", b"\r", b"\n", b"M", b"PID|1\r"]), max_size=40)


def feed(framer: Framer, stream: bytes, cuts: list[int]) -> list[Event]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    parts = [stream[start:end] for start, end in itertools.pairwise(edges)]
    return [event for part in parts for event in framer.feed(part)] + framer.close()


@given(st.lists(st.tuples(junk, payloads)), st.lists(st.integers(min_value=0)))
def test_every_message_arrives_whole_and_in_order(sent: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(noise + wrap(payload) for noise, payload in sent)

    events = feed(Framer(), stream, cuts)

    assert [event.payload for event in events if isinstance(event, Frame)] == [payload for _, payload in sent]


@given(streams.map(b"".join), st.lists(st.integers(min_value=0)))
def test_cuts_do_not_change_what_a_stream_says(stream: bytes, cuts: list[int]) -> None:
    assert feed(Framer(5), stream, cuts) == feed(Framer(5), stream, [])


@given(streams.map(b"".join))
def test_every_byte_but_framing_and_padding_is_accounted_for(stream: bytes) -> None:
    events = feed(Framer(), stream, [])

    counted = sum(len(event.payload) if isinstance(event, Frame) else event.size for event in events)
    assert counted >= len(stream.translate(None, b"\x0b\x1c\r\n"))


def test_junk_before_a_frame_is_skipped_and_reported() -> None:
    assert Framer().feed(b"GET /\r\n" + wrap(b"MSH|")) == [Incident(Fault.JUNK, 5, b"GET /"), Frame(b"MSH|")]


def test_line_ends_between_frames_are_no_incident() -> None:
    assert Framer().feed(wrap(b"A") + b"\n\r\n" + wrap(b"B")) == [Frame(b"A"), Frame(b"B")]


def test_an_end_block_without_its_carriage_return_ends_the_frame() -> None:
    assert Framer().feed(b"\x0bA\x1c" + wrap(b"B")) == [Frame(b"A"), Frame(b"B")]


def test_a_start_block_inside_a_frame_restarts_it() -> None:
    assert Framer().feed(b"\x0bhalf\x0bwhole\x1c\r") == [Incident(Fault.RESTARTED, 4, b"half"), Frame(b"whole")]


def test_a_dropped_frame_is_swallowed_to_its_end_and_the_next_one_is_whole() -> None:
    framer = Framer()
    framer.feed(b"\x0b" + b"A" * HEAD * 2)
    framer.drop()

    events = framer.feed(b"A\x1c\r" + wrap(b"B"))

    assert events == [Incident(Fault.DROPPED, HEAD * 2 + 1, b"A" * HEAD), Frame(b"B")]
    assert framer.held == 0


def test_an_oversize_frame_is_swallowed_to_its_end() -> None:
    framer = Framer(max_frame=HEAD * 2)

    events = framer.feed(b"\x0bMSH" + b"x" * HEAD) + framer.feed(b"y" * HEAD * 50 + b"\x1c\r" + wrap(b"next"))

    assert events == [Incident(Fault.OVERSIZE, HEAD * 51 + 3, b"MSH" + b"x" * (HEAD - 3)), Frame(b"next")]


def test_an_oversize_frame_is_not_kept_in_memory() -> None:
    framer = Framer(max_frame=HEAD * 2)

    framer.feed(b"\x0b" + b"x" * HEAD * 50)

    assert len(framer._kept) == HEAD


def test_an_empty_frame_is_a_frame() -> None:
    assert Framer().feed(b"\x0b\x1c\r") == [Frame(b"")]


def test_a_frame_cut_by_the_end_of_the_stream_is_reported() -> None:
    framer = Framer()
    framer.feed(b"\x0bMSH|")

    assert framer.close() == [Incident(Fault.UNFINISHED, 4, b"MSH|")]


def test_a_byte_added_to_a_large_frame_costs_no_copy_of_it() -> None:
    framer = Framer()
    framer.feed(b"\x0b" + bytes(9_000_000))

    began = time.process_time()
    for _ in range(5_000):
        framer.feed(b"x")

    assert time.process_time() - began < 1  # ten and more if each copied the frame
