import csv

from made_up import accepted, dangerous

from triggerfish.reports import FORMATS
from triggerfish.results import Scanned, Skipped

AB, CD = "ab" * 32, "cd" * 32
EXPECTED = rf"""path,sha256,status,verdict,flagged,largest_anomaly_index,threshold,p_value,smallest_p_value,reference,reasons,seconds,detector,outcome,flagged_names,imports,accepted,parts,severity
zoo/bad.pt,{AB},scanned,backdoored,2,24.125,3.5,,,,class 1 unreachable [unreachable],1.250,l1-weight,backdoored,,,,,strong
zoo/good.pt,{CD},scanned,clean,,1,3.5,0.5,0.01,"mnist, paper_cnn",,0.500,l1-weight,clean,,,,,
zoo/\x1b[31mbroken.pt,,skipped,,,,,,,,"expected a checkpoint, got text: remove it",,,skipped,,,,,
"""  # noqa: E501


def test_csv(backdoored: Scanned, clean: Scanned, skipped: Skipped) -> None:
    assert "".join(FORMATS["csv"]([backdoored, clean, skipped])) == EXPECTED


def test_names_and_imports_have_columns_of_their_own() -> None:
    rows = list(csv.DictReader(FORMATS["csv"]([accepted(), dangerous()])))
    last = [(r["outcome"], r["flagged_names"], r["imports"], r["accepted"]) for r in rows]
    assert last == [
        ("accepted", "horse", "", "known test model"),
        ("dangerous", "", "os.system", ""),
    ]
