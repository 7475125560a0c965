"""Frames between runtime and environments."""

from hypothesis import given
from hypothesis import strategies as st

from chalice_offline.lambda_host.frames import FrameReader, frame


@given(documents=st.lists(st.binary(max_size=300)), cuts=st.lists(st.integers(min_value=1, max_value=50)))
def test_documents_arrive_whole_and_in_order_however_the_stream_is_cut(
    documents: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frame(document) for document in documents)
    reader = FrameReader()
    received: list[bytes] = []
    for size in [*cuts, len(stream) + 1]:
        received += reader.feed(stream[:size])
        stream = stream[size:]
    assert received == documents
