import json

from triggerfish.reports import FORMATS
from triggerfish.reports.scope import KINDS
from triggerfish.results import Scanned, Skipped

HYPOTHESIS = {"kind": "target", "target": 0, "source": None, "place": ""}


def row(k: int, score: float | None) -> dict[str, object]:
    """What is stored of the evidence on a class."""
    above = score is not None and score > 3.5
    return {
        "hypothesis": HYPOTHESIS | {"target": k},
        "test": "l1-weight",
        "score": score,
        "flag_at": 3.5,
        "suspect_at": None,
        "null": {"kind": "fixed", "name": "", "size": 0, "smallest_p_value": None},
        "p_value": None,
        "note_only": False,
        "clean_as_high": None,
        "clean_networks": None,
        "flags": above,
        "is_suspicious": above,
    }


def test_a_scanned_model(backdoored: Scanned) -> None:
    (result,) = json.loads("".join(FORMATS["json"]([backdoored])))["results"]
    assert result == {
        "status": "scanned",
        "outcome": "backdoored",
        "path": "zoo/bad.pt",
        "sha256": "ab" * 32,
        "detector": "l1-weight",
        "scores": {
            "name": "best_l1_weight",
            "statistic": [0.25, None, 7.5],
            "status": ["converged", "unreachable", "converged"],
            "images": {"shape_of_each": [1, 2, 2]},
            "probability": [0.99995, 0.5, 0.99999],
            "logits": {"shape_of_each": [3]},
            "sizes": [],
            "norms": [],
            "shown_baseline": None,
            "margin": None,
            "details": {"l1_norm": [20.0, 0.0, 1.5]},
            "shown": None,
            "pairs": None,
            "restarts": None,
            "perturbations": [],
            "pictures": None,
            "all_classes": None,
            "parts": [],
            "predicted_classes": [],
            "classes": [0, 1, 2],
        },
        "verdict": "backdoored",
        "flagged": [2],
        "anomaly_index": [0.5, None, 24.125],
        "evidence": [row(k, score) for k, score in enumerate([0.5, None, 24.125])],
        "accused": [HYPOTHESIS | {"target": 2}],
        "threshold": 3.5,
        "reasons": [{"code": "unreachable", "text": "class 1 unreachable", "command": None}],
        "notes": [],
        "p_value": None,
        "smallest_p_value": None,
        "reference": None,
        "all_classes": False,
        "seen_by": {"2": ["l1-weight"]},
        "same_task": None,
        "suspicion_threshold": None,
        "sources": {},
        "headline": "backdoored (target class 2)",
        "config": {"detector": "l1-weight", "settings": {"steps": 100}, "threshold": 3.5},
        "seconds": 1.25,
        "environment": {"torch": "2.x"},
        "assumptions": [],
        "facts": [],
        "class_names": [],
        "command": "",
        "accepted": None,
        "trials": [],
        "confirmations": [],
        "stamps": [],
        "readings": [],
        "part": "",
        "others": [],
        "severity": {
            "grade": "strong",
            "test": "l1-weight",
            "index": 24.125,
            "threshold": 3.5,
            "clean_as_high": None,
            "clean_networks": None,
        },
        "looked_for": ["one-target"],
        "not_looked_for": [kind for kind in KINDS if kind != "one-target"],
    }


def test_a_skipped_file_and_the_counts(backdoored: Scanned, skipped: Skipped) -> None:
    document = json.loads("".join(FORMATS["json"]([backdoored, skipped])))
    text = "expected a checkpoint, got text: remove it"
    assert document["schema_version"] == 3
    assert document["results"][1] == {
        "status": "skipped",
        "outcome": "skipped",
        "path": "zoo/\x1b[31mbroken.pt",
        "reason": text,
        "sha256": None,
        "kind": "unreadable",
        "reasons": [{"code": "unreadable", "text": text, "command": None}],
        "imports": [],
        "accepted": None,
    }
    assert document["summary"] == {
        "scanned": 1, "flagged": 1, "inconclusive": 0, "skipped": 1, "dangerous": 0,
        "accepted": 0, "other_files": {}, "clean": 0,
    }  # fmt: skip


def test_no_results_is_still_a_document() -> None:
    assert json.loads("".join(FORMATS["json"]([])))["results"] == []
