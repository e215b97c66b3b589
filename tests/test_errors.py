"""What is said of errors that others raise."""

from triggerfish.errors import CUT, LONGEST, one_line


def test_a_long_line_ends_between_two_words_and_says_so() -> None:
    said = one_line(RuntimeError("expected another word " * 20))
    assert len(said) <= LONGEST
    assert said.removesuffix(CUT).split()[-1] in ("expected", "another", "word")
    assert said.endswith(CUT)


def test_a_long_word_is_cut_and_a_short_line_stays() -> None:
    assert one_line(ValueError("x" * 500)) == "x" * (LONGEST - len(CUT)) + CUT
    assert one_line(ValueError("first line\nsecond")) == "first line"
    assert one_line(ValueError("first line\nsecond"), last=True) == "second"
