import torch
from verdicts import verdict as made_verdict

from triggerfish.reports.class_table import render_class_table
from triggerfish.reports.images import render_contact_sheet
from triggerfish.results import ClassScores, Scanned, Status


def test_screened_classes_have_no_image_and_no_line():
    count, shown = 300, (3, 150, 299)
    nan = torch.full((count,), torch.nan, dtype=torch.float64)
    statistic = nan.clone()
    statistic[list(shown)] = torch.tensor([0.1, 2.0, -0.3], dtype=torch.float64)
    scores = ClassScores(
        name="log_norm_ratio",
        statistic=statistic,
        status=tuple(Status.CONVERGED if k in shown else Status.SCREENED for k in range(count)),
        images=torch.rand(3, 1, 8, 8),
        probability=statistic,
        logits=torch.zeros(3, count),
        shown=shown,
    )
    verdict = made_verdict((150,), statistic.tolist(), 0.9)
    result = Scanned(None, None, "min-norm", scores, verdict, {}, 1.0)
    lines = render_class_table(result).splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["3", "150", "299"]
    assert render_contact_sheet(result).startswith(b"\x89PNG")
