import json

from triggerfish.reports import FORMATS
from triggerfish.results import Scanned, Skipped


def test_json(backdoored: Scanned, skipped: Skipped) -> None:
    document = json.loads("".join(FORMATS["json"]([backdoored, skipped])))
    assert document == {
        "schema_version": 1,
        "results": [
            {
                "path": "zoo/bad.pt",
                "sha256": "ab" * 32,
                "status": "scanned",
                "verdict": "backdoored",
                "flagged": [2],
                "reasons": ["class 1 unreachable [unreachable]"],
                "notes": [],
                "threshold": 3.5,
                "p_value": None,
                "smallest_p_value": None,
                "reference": None,
                "anomaly_index": [0.5, None, 24.125],
                "statistic_name": "best_l1_weight",
                "statistic": [0.25, None, 7.5],
                "class_status": ["converged", "unreachable", "converged"],
                "probability": [0.99995, 0.5, 0.99999],
                "details": {"l1_norm": [20.0, 0.0, 1.5]},
                "pairs": None,
                "seconds": 1.25,
                "detector": "l1-weight",
                "config": {"detector": "l1-weight", "settings": {"steps": 100}, "threshold": 3.5},
                "environment": {"torch": "2.x"},
            },
            {
                "path": "zoo/\x1b[31mbroken.pt",
                "sha256": None,
                "status": "skipped",
                "reasons": ["expected a checkpoint, got text: remove it"],
            },
        ],
        "summary": {"scanned": 1, "flagged": 1, "inconclusive": 0, "skipped": 1},
    }


def test_no_results_is_still_a_document() -> None:
    assert json.loads("".join(FORMATS["json"]([])))["results"] == []
