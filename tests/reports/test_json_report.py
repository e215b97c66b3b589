import json

from triggerfish.reports import FORMATS
from triggerfish.reports.scope import KINDS
from triggerfish.results import Scanned, Skipped

HYPOTHESIS = {"kind": "target", "target": 0, "source": None, "place": ""}


def row(k: int, score: float | None) -> dict[str, object]:
    """What is stored of the evidence on a class."""
    return {
        "hypothesis": HYPOTHESIS | {"target": k},
        "test": "l1-weight",
        "score": score,
        "flag_at": 3.5,
        "suspect_at": None,
        "null": {"kind": "fixed", "name": "", "size": 0},
        "p_value": None,
        "note_only": False,
    }


def test_a_scanned_model(backdoored: Scanned) -> None:
    (result,) = json.loads("".join(FORMATS["json"]([backdoored])))["results"]
    assert result == {
        "path": "zoo/bad.pt",
        "sha256": "ab" * 32,
        "status": "scanned",
        "outcome": "backdoored",
        "verdict": "backdoored",
        "flagged": [2],
        "all_classes": False,
        "class_names": [],
        "seen_by": {"2": ["l1-weight"]},
        "sources": {},
        "reasons": [{"code": "unreachable", "text": "class 1 unreachable", "command": None}],
        "notes": [],
        "threshold": 3.5,
        "p_value": None,
        "smallest_p_value": None,
        "reference": None,
        "same_task": None,
        "anomaly_index": [0.5, None, 24.125],
        "evidence": [row(k, score) for k, score in enumerate([0.5, None, 24.125])],
        "accused": [HYPOTHESIS | {"target": 2}],
        "readings": [],
        "part": "",
        "others": [],
        "statistic_name": "best_l1_weight",
        "statistic": [0.25, None, 7.5],
        "class_status": ["converged", "unreachable", "converged"],
        "probability": [0.99995, 0.5, 0.99999],
        "shown": None,
        "image_shape": [1, 2, 2],
        "details": {"l1_norm": [20.0, 0.0, 1.5]},
        "restarts": None,
        "pairs": None,
        "perturbations": [],
        "predicted_classes": [],
        "all_classes_score": None,
        "parts": [],
        "looked_for": ["one-target"],
        "not_looked_for": [kind for kind in KINDS if kind != "one-target"],
        "trials": [],
        "confirmations": [],
        "assumptions": [],
        "facts": [],
        "accepted": None,
        "seconds": 1.25,
        "detector": "l1-weight",
        "config": {"detector": "l1-weight", "settings": {"steps": 100}, "threshold": 3.5},
        "environment": {"torch": "2.x"},
        "command": "",
    }


def test_a_skipped_file_and_the_counts(backdoored: Scanned, skipped: Skipped) -> None:
    document = json.loads("".join(FORMATS["json"]([backdoored, skipped])))
    text = "expected a checkpoint, got text: remove it"
    assert document["schema_version"] == 2
    assert document["results"][1] == {
        "path": "zoo/\x1b[31mbroken.pt",
        "sha256": None,
        "status": "skipped",
        "outcome": "skipped",
        "kind": "unreadable",
        "reasons": [{"code": "unreadable", "text": text, "command": None}],
        "imports": [],
        "accepted": None,
    }
    assert document["summary"] == {
        "scanned": 1, "flagged": 1, "inconclusive": 0, "skipped": 1, "dangerous": 0,
        "accepted": 0, "other_files": {},
    }  # fmt: skip


def test_no_results_is_still_a_document() -> None:
    assert json.loads("".join(FORMATS["json"]([])))["results"] == []
