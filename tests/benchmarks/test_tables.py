from benchmarks.markdown import markdown, rate
from benchmarks.tables import DOCUMENTS, TABLES, with_tables


def test_the_tables_in_the_docs_are_current():
    for path in DOCUMENTS:
        assert with_tables(path.read_text()) == path.read_text(), f"run benchmarks.tables: {path}"


def test_every_table_stands_in_a_document():
    docs = "".join(path.read_text() for path in DOCUMENTS)
    for name in TABLES:
        assert f"<!-- table {name} -->" in docs


def test_a_table_replaces_what_was_there():
    text = "a\n<!-- table side-by-side -->\nold\n<!-- end -->\nb\n"
    fresh = with_tables(text)
    assert "old" not in fresh
    assert fresh.startswith("a\n")
    assert fresh.endswith("<!-- end -->\nb\n")
    assert with_tables(fresh) == fresh


def test_markdown_and_rate():
    assert markdown(("a", "b"), [(1, "x")]) == "| a | b |\n| --- | --- |\n| 1 | x |\n"
    assert rate(0, 100) == "0 of 100 (0.000; 0.000-0.036)"
