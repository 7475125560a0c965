"""The OpenMetrics text format."""

from chalicelib.wire.open_metrics import Family, Sample, histogram, open_metrics


def test_family_says_what_it_is_before_its_samples_and_the_end_is_marked() -> None:
    text = open_metrics([Family("age_seconds", "How old", [Sample({"of": "a"}, 1.5), Sample({}, 2)])])
    assert text == (
        "# TYPE age_seconds gauge\n# UNIT age_seconds seconds\n# HELP age_seconds How old\n"
        'age_seconds{of="a"} 1.5\nage_seconds 2\n# EOF\n'
    )


def test_text_cannot_end_its_label_or_its_line() -> None:
    text = open_metrics([Family("n", "a\nb", [Sample({"of": 'a"} 1\n# EOF\\'}, 1)])])
    assert text.splitlines()[1:3] == ["# HELP n a\\nb", 'n{of="a\\"} 1\\n# EOF\\\\"} 1']


def test_histogram_counts_what_took_no_longer_in_seconds() -> None:
    shown = open_metrics([histogram("t_seconds", "Time", [1, 0, 2], 5_250, [50, 1_000])]).splitlines()
    assert shown[0] == "# TYPE t_seconds gaugehistogram"
    assert shown[3:] == [
        't_seconds_bucket{le="0.05"} 1',
        't_seconds_bucket{le="1.0"} 1',
        't_seconds_bucket{le="+Inf"} 3',
        "t_seconds_gcount 3",
        "t_seconds_gsum 5.25",
        "# EOF",
    ]
