from made_up import EVERYTHING, found, unreadable

from triggerfish.reports import FORMATS
from triggerfish.reports.about import About

EXPECTED = r"""# Triggerfish

| verdict | target | anomaly index | threshold | p-value | model |
|---|---|---|---|---|---|
| 🔴 backdoored | class 7 \(horse\) | 2.90 | 1.40 | 0.024 | zoo/stranger model.pt |
| 🟢 clean | - | 0.40 | 1.40 | uncalibrated | zoo/good.pt |
| 🟡 inconclusive | - | 0.40 | 1.40 | uncalibrated | zoo/unclear.pt |
| 🔵 accepted | class 7 \(horse\) | 2.90 | 1.40 | 0.024 | zoo/stranger model.pt |
| 🔴 dangerous | - | - | - | - | zoo/evil.pt |
| ⚪ skipped | - | - | - | - | zoo/\\x1b\[31m\<b\>\|broken\\n.pt |

4 scanned: 1 flagged, 1 inconclusive, 1 clean, 1 accepted; 1 skipped; 1 dangerous; 2 other files that are no models \(.txt 2\)
"""  # noqa: E501


def test_the_table_and_the_counts() -> None:
    results = [make() for make in EVERYTHING.values()]
    text = "".join(FORMATS["markdown"](results, About(other_files={".txt": 2})))
    assert text.partition("\n## ")[0] == EXPECTED


def test_a_section_for_each_model_that_is_not_clean() -> None:
    results = [make() for make in EVERYTHING.values()]
    assert "".join(FORMATS["markdown"](results)).count("\n## ") == 5


def test_a_section_says_why() -> None:
    text = "".join(FORMATS["markdown"]([found()]))
    assert "- smallest pattern for class 7 \\(horse\\): 0.34 px \\(median class: 9.7 px\\)" in text


def test_names_cannot_write_markup() -> None:
    text = "".join(FORMATS["markdown"]([unreadable()]))
    assert "<b>" not in text.replace(r"\<b\>", "")
    assert "<i>" not in text.replace(r"\<i\>", "")
    assert "\x1b" not in text
