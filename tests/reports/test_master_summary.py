from triggerfish.reports.master_summary import MasterRow, render_master_summary


def test_published_columns() -> None:
    rows = [
        MasterRow("clean", "mnist_model_000", None, (), "correct"),
        MasterRow("backdoor", "mnist_trigger_t3_0", 3, (3, 7), "incorrect"),
    ]
    assert render_master_summary(rows) == (
        "folder,model,expected_backdoor_label,detected_labels_mad,status\n"
        "clean,mnist_model_000,none,none,correct\n"
        "backdoor,mnist_trigger_t3_0,3,3;7,incorrect\n"
    )
