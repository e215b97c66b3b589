"""Files that can be read in several ways: every plausible reading, its assumptions, one verdict."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from verdicts import verdict as made_verdict

from triggerfish.ambiguity import scan_readings
from triggerfish.architectures import ARCHITECTURES
from triggerfish.loading import Hints, LoadOptions, Reading, fit, open_readings
from triggerfish.loading.draft import draft
from triggerfish.loading.hints import Settings
from triggerfish.loading.weights.choices import NetworkChoice
from triggerfish.model.classifier import Classifier
from triggerfish.references.recognition import ALIKE
from triggerfish.reports.about import PLAIN
from triggerfish.reports.details import details
from triggerfish.reports.words import dissenting
from triggerfish.results import Assumption, ClassScores, Fact, Scanned, Status


@pytest.fixture
def tutorial(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(
        ARCHITECTURES["pytorch_tutorial_cnn"](10, 3).state_dict(), tmp_path / "cifar net.pth"
    )
    return tmp_path / "cifar net.pth"


def test_the_tutorial_network_is_not_taken_for_lenet(tutorial: Path) -> None:
    """Same keys and shapes as our lenet on 3x28x28 with padding, another function."""
    readings = open_readings(tutorial)
    assert readings[0].builtin == "pytorch_tutorial_cnn"
    assert {reading.classifier.input_shape for reading in readings} == {(3, 32, 32)}
    assert "lenet" not in {reading.architecture for reading in readings}


def test_options_of_a_reading_leave_exactly_it(tutorial: Path) -> None:
    for reading in open_readings(tutorial):
        names = {item.name for item in reading.classifier.assumptions}
        assert names == {"arch", "input-shape", "mean", "std", "input-range"}
        given = replace(reading.settings.merged(), source="options")
        (pinned,) = open_readings(tutorial, LoadOptions(given, strict=True))
        assert pinned.classifier.assumptions == ()
        images = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(
            pinned.classifier.logits(images), reading.classifier.logits(images)
        )


def test_what_is_said_and_what_is_assumed_are_told_apart(tutorial: Path) -> None:
    tutorial.with_suffix(".card.toml").write_text("mean = 0.5\nstd = 0.25\n")
    given = Hints("options", input_shape=(3, 32, 32), num_classes=10)
    first, *others = open_readings(tutorial, LoadOptions(given))
    assumed = Assumption("arch", "pytorch_tutorial_cnn", "its keys and shapes")
    assert first.classifier.assumptions == (assumed,)
    assert first.classifier.facts == (
        Fact("input-shape", "3,32,32", "options"),
        Fact("mean", "0.5", "model card cifar net.card.toml"),
        Fact("std", "0.25", "model card cifar net.card.toml"),
        Fact("num-classes", "10", "options"),
    )
    assert {other.classifier.facts for other in others} <= {first.classifier.facts}


def test_a_file_that_carries_its_network_is_who_says_so(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval()
    torch.jit.save(torch.jit.script(network), tmp_path / "m.pt")
    first = open_readings(tmp_path / "m.pt")[0].classifier
    assert first.facts == (Fact("network", "carried by the file", "TorchScript program"),)
    assert {item.name for item in first.assumptions} >= {"input-shape", "mean", "std"}


def test_bytes_are_not_tried_where_they_saturate_the_network(tmp_path: Path) -> None:
    """A batch norm that saw inputs in [0, 1] rules 0 to 255 out."""
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(1800, 10),
    )  # fmt: skip
    for _ in range(50):
        network(torch.rand(16, 3, 32, 32))
    torch.save(network.state_dict(), tmp_path / "m.pt")
    ranges = {r.classifier.preprocessing.input_range for r in open_readings(tmp_path / "m.pt")}
    assert ranges == {(0.0, 1.0)}


@pytest.mark.parametrize(
    ("likeness", "first"), [((0.5, 0.75), 1), ((0.2, 0.4), 0)], ids=["recognised", "not recognised"]
)
def test_the_reading_under_which_a_task_is_recognised_is_the_likeliest(
    tutorial: Path, monkeypatch: pytest.MonkeyPatch, likeness: tuple[float, float], first: int
) -> None:
    """Where none is recognised, what they are like says nothing."""
    usual = [reading.options for reading in open_readings(tutorial)]
    seen = iter((*likeness, *([0.0] * 99)))
    monkeypatch.setattr(fit, "_fit", lambda _: fit._Fit(1.3, 0.0, next(seen)))
    assert open_readings(tutorial)[0].options == usual[first]


def test_likeness_is_to_a_task_of_the_same_geometry() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 10))
    choice = NetworkChoice("made up", network, Hints("catalogue"))
    shaped = [
        fit.Plan(choice, Settings((Hints("options", input_shape=shape),)), fit.Part(network))
        for shape in ((3, 32, 32), (3, 24, 24))
    ]
    assert 0.0 <= fit._likeness(shaped[0], 10) < ALIKE
    assert [fit._likeness(reading, 10) for reading in shaped[1:]] == [0.0]
    assert fit._likeness(shaped[0], 9) == 0.0


def scanned(classifier: Classifier, name: str) -> Scanned:
    scores = ClassScores(
        "x", torch.zeros(10), (Status.CONVERGED,) * 10, torch.zeros(0), torch.zeros(10),
        torch.zeros(0), shown=(),
    )  # fmt: skip
    flagged = (3,) if name == "backdoored" else ()
    verdict = made_verdict(flagged, (0.0,) * 10, 2.0, inconclusive=name == "inconclusive")
    return Scanned(
        Path("a b.pt"), None, "x", scores, verdict, {}, 1.0, assumptions=classifier.assumptions
    )


def readings(path: Path) -> tuple[Reading, ...]:
    found = open_readings(path)
    assert len(found) > 1
    return found


def verdicts_of(models: tuple[Reading, ...], *names: str) -> Scanned:
    answers = iter(names)
    return scan_readings(models, lambda model: scanned(model, next(answers)))


def shared(models: tuple[Reading, ...], *shares: float) -> tuple[Reading, ...]:
    """As many readings as ``shares``, with these."""
    return tuple(replace(models[0], share=share) for share in shares)


def test_shares_of_readings_fall_and_sum_to_one(tutorial: Path) -> None:
    shares = [model.share for model in readings(tutorial)]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) > 0


def test_readings_that_agree_give_a_verdict_that_says_so(tutorial: Path) -> None:
    result = verdicts_of(shared(readings(tutorial), 0.5, 0.25, 0.25), *["backdoored"] * 3)
    assert (result.verdict.name, result.verdict.flagged) == ("backdoored", (3,))
    assert "3 of 3 readings" in result.verdict.notes[-1]
    assert "(weight 100 %)" in result.verdict.notes[-1]
    assert result.seconds == 3


@pytest.mark.parametrize(("name", "scans"), [("clean", 2), ("backdoored", 3)])
def test_a_reading_that_cannot_change_the_verdict_is_not_scanned(
    name: str, scans: int, tutorial: Path
) -> None:
    models = shared(readings(tutorial), 0.4, 0.3, 0.2, 0.1)
    result = verdicts_of(models, *[name] * scans)
    assert (result.verdict.name, result.seconds) == (name, scans)
    assert [one.verdict for one in result.readings] == [name] * scans + [None] * (4 - scans)
    assert f"{scans} of 4 readings" in result.verdict.notes[-1]
    assert "could not change it" in result.verdict.notes[-1]
    assert dissenting(result) == ()


def test_what_two_thirds_of_the_weight_say_is_the_verdict_and_dissent_is_told(
    tutorial: Path,
) -> None:
    models = shared(readings(tutorial), 0.5, 0.3, 0.2)
    result = verdicts_of(models, "clean", "backdoored", "clean")
    assert (result.verdict.name, result.verdict.flagged) == ("clean", ())
    (agreed,) = result.verdict.notes
    assert "2 of 3 readings of the file give this verdict (weight 70 %)" in agreed
    (dissent,) = dissenting(result)
    assert (dissent.verdict, dissent.flagged, dissent.share) == ("backdoored", (3,), 0.3)
    said = "another reading of the file says backdoored (target class 3) (weight 30 %; "
    assert f"{said}{dissent.options})" in details(result, PLAIN)
    assert result.seconds == 3


def test_the_likeliest_reading_alone_is_overruled(tutorial: Path) -> None:
    result = verdicts_of(shared(readings(tutorial), 0.3, 0.4, 0.3), "backdoored", *["clean"] * 2)
    assert (result.verdict.name, result.verdict.flagged) == ("clean", ())


def test_an_accusation_needs_more_of_the_readings_than_a_clean_bill(tutorial: Path) -> None:
    models = readings(tutorial)
    enough = verdicts_of(shared(models, 0.15, 0.45, 0.4), "clean", *["backdoored"] * 2)
    too_few = verdicts_of(shared(models, 0.25, 0.4, 0.35), "clean", *["backdoored"] * 2)
    assert (enough.verdict.name, enough.verdict.flagged) == ("backdoored", (3,))
    assert (too_few.verdict.name, too_few.verdict.flagged) == ("inconclusive", ())


def test_readings_none_of_which_is_conclusive_keep_their_reason(tutorial: Path) -> None:
    result = verdicts_of(shared(readings(tutorial), 0.5, 0.5), "inconclusive", "inconclusive")
    assert (result.verdict.name, result.verdict.reasons) == ("inconclusive", ())


def test_readings_that_disagree_give_none_and_a_command_each(tutorial: Path) -> None:
    models = readings(tutorial)
    models = tuple(replace(m, share=0.5 if i < 2 else 0.0) for i, m in enumerate(models))
    result = verdicts_of(models, "clean", "backdoored")  # no third is scanned
    assert (result.verdict.name, result.verdict.flagged) == ("inconclusive", ())
    assert len(result.verdict.reasons) == len(models)
    first, second = result.verdict.reasons[:2]
    assert first.command == f"triggerfish scan 'a b.pt' {models[0].options}"
    assert "readings of the file disagree: clean with" in first.text
    assert "backdoored (target class 3) with" in second.text
    assert "(weight 50 %)" in second.text
    same_network = models[0].architecture == models[1].architecture
    code = "preprocessing-matters" if same_network else "ambiguous-architecture"
    assert {reason.code for reason in result.verdict.reasons} == {code}


def test_a_draft_is_filled_by_the_weights_and_computes_the_usual_wiring(tutorial: Path) -> None:
    state = torch.load(tutorial, weights_only=True)
    found = draft(state, "cifar net.pth")
    names: dict[str, type[nn.Module]] = {}
    exec(found.source, names)
    network = names["Network"]()
    network.load_state_dict(state)
    expected = ARCHITECTURES["pytorch_tutorial_cnn"](10, 3)
    expected.load_state_dict(state)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(network(images), expected(images))
    assert found.choices == found.source.count("# CHOICE") > 4


def test_a_draft_of_what_is_no_chain_names_every_key() -> None:
    state = {"0.weight": torch.zeros(8, 3, 3, 3), "token": torch.zeros(1, 4)}
    found = draft(state, 'x"""\nimport os.pt')
    compile(found.source, "draft", "exec")
    assert 'self.add_module("0", nn.Conv2d(3, 8, 3' in found.source
    assert "# CHOICE a module for token of shape (1, 4)" in found.source
    assert "\nimport os" not in found.source


def test_a_given_normalization_is_the_only_one_tried(tutorial: Path) -> None:
    given = Hints("options", architecture="pytorch_tutorial_cnn", mean=(0.5,), std=(0.5,))
    (only,) = open_readings(tutorial, LoadOptions(given))
    assert [item.name for item in only.classifier.assumptions] == ["input-shape"]


class FlatResidual(nn.Module):
    """Layers with names of their own, and connections that no name tells."""

    def __init__(self, *, skips: bool) -> None:
        super().__init__()
        self.skips = skips
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.conv3, self.fc = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8 * 4 * 4, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x).relu()
        for layer in (self.conv2, self.conv3):
            x = layer(x).relu() + (x if self.skips else 0)
        return self.fc(nn.functional.adaptive_max_pool2d(x, 4).flatten(1))


@pytest.mark.parametrize("said", ["backdoored", "clean"])
def test_a_chain_that_may_have_connections_around_layers_is_no_answer(
    said: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    torch.save(FlatResidual(skips=True).state_dict(), tmp_path / "m.pt")
    given = Hints("options", mean=(0.5,), std=(0.5,))
    readings = open_readings(tmp_path / "m.pt", LoadOptions(given))
    assert readings[0].architecture.startswith("chain:conv1/p1,relu")
    assert readings[0].skippable == ("conv2", "conv3")
    result = scan_readings(readings, lambda model: scanned(model, said))
    assert result.verdict.name == "inconclusive"
    assert result.verdict.reasons[0].code == "ambiguous-architecture"
    assert "connections around conv2, conv3" in result.verdict.reasons[0].text
    assert (result.verdict.reasons[0].command or "").startswith("triggerfish arch init ")


def test_a_chain_that_somebody_said_is_an_answer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(FlatResidual(skips=False).state_dict(), tmp_path / "m.pt")
    chain = open_readings(tmp_path / "m.pt")[0].architecture
    given = Hints("options", architecture=chain, input_shape=(3, 32, 32), mean=(0.5,), std=(0.5,))
    readings = open_readings(tmp_path / "m.pt", LoadOptions(given))
    assert {reading.skippable for reading in readings} == {()}
    result = scan_readings(readings, lambda model: scanned(model, "backdoored"))
    assert result.verdict.name == "backdoored"


def test_an_nn_sequential_is_a_chain(tmp_path: Path) -> None:
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
              nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 16 * 16, 10)]  # fmt: skip
    torch.save(nn.Sequential(*layers).state_dict(), tmp_path / "m.pt")
    assert open_readings(tmp_path / "m.pt")[0].skippable == ()


def test_a_layer_that_no_chain_runs_is_marked_and_no_chain_is_offered() -> None:
    """A second norm after a pooling: every chain left it out, and was refused when passed."""
    network = nn.Sequential()
    for name, layer in {
        "c1": nn.Conv2d(1, 4, 3, padding=1), "b1": nn.BatchNorm2d(4), "b2": nn.BatchNorm2d(4),
        "c2": nn.Conv2d(4, 8, 3, padding=1), "b3": nn.BatchNorm2d(8),
        "d1": nn.Linear(8 * 7 * 7, 16), "d2": nn.Linear(16, 10),
    }.items():  # fmt: skip
        network.add_module(name, layer)
    found = draft(network.state_dict(), "two norms.pt")
    assert found.chains == ()
    assert "# CHOICE b2 runs nowhere yet: call it where it belongs" in found.source
    assert "chain:" not in found.source
