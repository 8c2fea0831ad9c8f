"""What a running server remembers and counts, over its client."""

import minutes
from prometheus_client.parser import text_string_to_metric_families

LATER = (minutes.wrist_signals(seed=11, arousal=1.0), minutes.RATES_HZ)


def test_counts_rise_by_what_was_sent(server):
    def count(name, **labels):
        families = text_string_to_metric_families(server.metrics())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    counted = [
        (("wesad_windows_total", {"outcome": "rejected"}), 3),
        (("wesad_rejections_total", {"channel": "wrist_temp", "rule": "flat line"}), 3),
        (("wesad_requests_total", {"route": "/predict/batch", "status": "200"}), 1),
        (("wesad_request_seconds_count", {"route": "/predict/batch"}), 1),
        (("wesad_batch_windows_sum", {}), 3),
        (("wesad_batch_windows_count", {}), 1),
    ]
    before = [count(name, **labels) for (name, labels), _ in counted]
    server.predict_batch([(LATER[0] | {"wrist_temp": [0.0] * 240}, LATER[1])] * 3)
    after = [count(name, **labels) for (name, labels), _ in counted]
    assert [now - then for now, then in zip(after, before, strict=True)] == [rise for _, rise in counted]
