from triggerfish.reports.class_table import render_class_table
from triggerfish.results import Scanned

EXPECTED = """\
label,best_l1,achieved_prob,image_path,logit_0,logit_1,logit_2,l1_norm,anomaly_index,status
0,0.25,0.99995,class_0.png,9.5,0,0,20,0.5,converged
1,,0.5,class_1.png,0,1,1.25,0,,unreachable
2,7.5,0.99999,class_2.png,-1,0,12,1.5,24.125,converged
"""


def test_published_columns_first_and_no_number_where_nothing_was_measured(
    backdoored: Scanned,
) -> None:
    assert render_class_table(backdoored) == EXPECTED
