"""The gate's cases on stored predictions of real networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ferflow.errors import DataError
from ferflow.labels import EMOTIONS
from ferflow.tracking.comparison.paired import Predictions, paired_test, read_predictions
from ferflow.tracking.registry.gate import PROMOTED, Contender, Outcome, Rules, decide
from tests.tracking.stored_runs import COSTS, DIGEST, PREDICTIONS, predictions

RULES = Rules(class_floor=0.0, significance=0.05, equal_margin=0.03)


def contender(name: str, *, digest: str = DIGEST) -> Contender:
    return Contender(name, predictions(name), digest, COSTS[name])


def judge(challenger: Contender, champion: Contender | None, **rules: float):
    return decide(challenger, champion, replace(RULES, **rules))


def test_the_first_version_becomes_champion():
    decision = judge(contender("full"), None, class_floor=0.3)
    assert decision.outcome is Outcome.FIRST
    assert decision.is_promoted
    assert decision.test is None
    assert decision.accuracy == pytest.approx(115 / 140)


def test_a_significantly_better_network_becomes_champion():
    decision = judge(contender("full"), contender("medium"))
    assert decision.outcome is Outcome.BETTER
    assert decision.is_promoted
    assert (decision.test.num_gained, decision.test.num_lost) == (36, 2)
    assert decision.test.p_value == pytest.approx(5.398760549724102e-09)


def test_a_significantly_worse_network_stays_challenger_even_at_lower_cost():
    decision = judge(replace(contender("medium"), cost=1), contender("full"))
    assert decision.outcome is Outcome.WORSE
    assert not decision.is_promoted


def test_a_network_that_is_not_told_apart_stays_challenger_though_its_accuracy_is_higher():
    decision = judge(contender("wide"), contender("full"))
    assert decision.test.difference > 0
    assert decision.test.p_value > 0.05
    assert decision.outcome is Outcome.EQUAL
    assert not decision.is_promoted


def test_an_equal_network_at_lower_cost_becomes_champion():
    decision = judge(contender("narrow"), contender("full"))
    assert decision.test.difference < 0
    assert decision.outcome is Outcome.EQUAL_CHEAPER
    assert decision.is_promoted


@pytest.mark.parametrize(("margin", "is_promoted"), [(3 / 140, True), (2.9 / 140, False)])
def test_the_margin_of_equal_is_the_accuracy_that_may_be_lost(margin, is_promoted):
    decision = judge(contender("narrow"), contender("full"), equal_margin=margin)
    assert decision.test.num_right - decision.test.num_right_old == -3
    assert decision.is_promoted is is_promoted


@pytest.mark.parametrize("cost", [7_382_464, 7_382_465, None])
def test_an_equal_network_without_a_lower_cost_stays_challenger(cost):
    assert judge(replace(contender("narrow"), cost=cost), contender("full")).outcome is Outcome.EQUAL


def test_a_champion_of_unknown_cost_is_not_beaten_by_cost():
    decision = judge(contender("narrow"), replace(contender("full"), cost=None))
    assert decision.outcome is Outcome.EQUAL
    assert "not known" in decision.description()


def test_the_same_network_again_is_equal():
    decision = judge(contender("full"), contender("full"))
    assert decision.outcome is Outcome.EQUAL
    assert decision.test.p_value == 1


@pytest.mark.parametrize("name", ["other", "full"])
def test_another_test_set_is_refused(name):
    decision = judge(contender(name, digest="0" * 64), contender("medium"))
    assert decision.outcome is Outcome.OTHER_TEST_SET
    assert not decision.is_promoted
    assert "p_value" not in decision.figures()
    assert "cannot be compared" in decision.description()


def test_other_images_are_refused_though_the_digest_is_the_same():
    assert judge(contender("other"), contender("full")).outcome is Outcome.OTHER_TEST_SET


def test_a_class_below_the_floor_is_refused_however_good_the_rest_is():
    decision = judge(contender("full"), contender("medium"), class_floor=0.37)
    assert decision.outcome is Outcome.BELOW_FLOOR
    assert decision.lowest_class == "disgust"
    assert decision.lowest_recall == pytest.approx(4 / 11)
    assert "36.4% of class disgust" in decision.description()


def test_a_class_at_the_floor_passes():
    assert judge(contender("full"), contender("medium"), class_floor=4 / 11).is_promoted


def test_the_floor_holds_for_the_first_version_too():
    assert judge(contender("short"), None, class_floor=0.05).outcome is Outcome.BELOW_FLOOR


def test_a_class_without_test_images_has_no_floor():
    whole = predictions("full")
    kept = whole.labels != EMOTIONS.index("disgust")
    part = Predictions(whole.files[kept], whole.labels[kept], whole.predicted[kept], whole.leaked[kept])
    decision = judge(Contender("part", part, DIGEST, 1), None, class_floor=0.5)
    assert decision.is_promoted
    assert decision.lowest_class == "surprise"


def test_a_test_set_of_leaked_images_alone_is_refused():
    leaked = replace(predictions("full"), leaked=np.full(157, True))
    decision = judge(Contender("leaked", leaked, DIGEST, 1), contender("medium"))
    assert decision.outcome is Outcome.NOTHING_TO_SCORE
    assert decision.accuracy is None


def test_leaked_images_do_not_count():
    champion = predictions("full")
    knows_by_heart = replace(
        champion, predicted=np.where(champion.leaked, champion.labels, champion.predicted)
    )
    assert knows_by_heart.right().sum() > champion.right().sum()
    assert paired_test(knows_by_heart, champion).p_value == 1


@pytest.mark.parametrize("significance", [5.3e-9, 5.5e-9])
def test_significance_is_where_a_difference_begins_to_count(significance):
    decision = judge(contender("full"), contender("medium"), significance=significance)
    assert decision.is_promoted is (significance > decision.test.p_value)


@pytest.mark.parametrize("challenger", ["full", "wide", "narrow", "medium", "short", "other"])
@pytest.mark.parametrize("champion", [None, "full", "narrow", "medium", "other"])
def test_every_decision_has_figures_and_a_description(challenger, champion):
    decision = judge(contender(challenger), contender(champion) if champion else None, class_floor=0.1)
    figures, words = decision.figures(), decision.description()
    assert figures["decision"] == decision.outcome.value
    assert figures["promoted"] == str(decision.outcome in PROMOTED).lower()
    assert "None" not in words + "".join(figures.values())
    assert words.startswith(challenger)
    assert ("becomes champion" in words) is decision.is_promoted


_UNKNOWN_COST = {"cost": None}
_SCORES = (
    "Of 140 leak-free test images it has {} right, the champion {}; {} are right by it alone, {} by the "
)
_DESCRIPTIONS = [
    (
        ("full", None, {}, {}),
        "full becomes champion: there is none. It has 82.1% of 140 leak-free test images right; its lowest "
        "recall is 36.4% (disgust).",
    ),
    (
        ("full", "medium", {}, {}),
        "full becomes champion: better than medium. "
        + _SCORES.format("82.14%", "57.86%", 36, 2)
        + "champion alone (McNemar, exact, p = 5.4e-09).",
    ),
    (
        ("wide", "full", {}, {}),
        "wide stays challenger: equal. "
        + _SCORES.format("85.00%", "82.14%", 11, 7)
        + "champion alone (McNemar, exact, p = 0.481). An answer costs 11,393,840 multiply-adds, against "
        "7,382,464.",
    ),
    (
        ("full", "full", {}, {}),
        "full stays challenger: equal. "
        + _SCORES.format("82.14%", "82.14%", 0, 0)
        + "champion alone (McNemar, exact, p = 1). An answer costs 7,382,464 multiply-adds, against "
        "7,382,464.",
    ),
    (
        ("narrow", "full", {}, {}),
        "narrow becomes champion: equal to full at lower cost. "
        + _SCORES.format("80.00%", "82.14%", 6, 9)
        + "champion alone (McNemar, exact, p = 0.607). An answer costs 4,237,392 multiply-adds, against "
        "7,382,464.",
    ),
    (
        ("narrow", "full", {}, {"equal_margin": 0.02}),
        "narrow stays challenger: equal. "
        + _SCORES.format("80.00%", "82.14%", 6, 9)
        + "champion alone (McNemar, exact, p = 0.607). An answer costs 4,237,392 multiply-adds, against "
        "7,382,464. That is less, but its accuracy is lower by more than 2.0%.",
    ),
    (
        ("narrow", "full", _UNKNOWN_COST, {}),
        "narrow stays challenger: equal. "
        + _SCORES.format("80.00%", "82.14%", 6, 9)
        + "champion alone (McNemar, exact, p = 0.607). What an answer costs is not known of both.",
    ),
    (
        ("full", "medium", {}, {"class_floor": 0.37}),
        "full is refused: a class below the floor. It finds 36.4% of class disgust, the floor is 37%.",
    ),
    (
        ("other", "full", {}, {}),
        "other is refused: other test set. It was not scored on the test set of full, so the two cannot be "
        "compared; 'ferflow register --force' makes it champion all the same.",
    ),
    (
        ("full", "medium", {"predictions": replace(predictions("full"), leaked=np.full(157, True))}, {}),
        "full is refused: no leak-free test image. Every test image has a copy in train or val.",
    ),
]


@pytest.mark.parametrize(("case", "words"), _DESCRIPTIONS)
def test_a_decision_is_told_in_these_words(case, words):
    challenger, champion, changes, rules = case
    new = replace(contender(challenger), **changes)
    assert judge(new, contender(champion) if champion else None, **rules).description() == words


def test_the_figures_are_those_that_the_decision_was_taken_by():
    assert judge(contender("narrow"), contender("full")).figures() == {
        "decision": "equal at lower cost",
        "promoted": "true",
        "against": "full",
        "num_images": "140",
        "accuracy": "0.8",
        "champion_accuracy": "0.821429",
        "num_gained": "6",
        "num_lost": "9",
        "p_value": "0.607239",
        "lowest_class": "surprise",
        "lowest_recall": "0.266667",
        "cost": "4237392",
        "champion_cost": "7382464",
        "class_floor": "0.0",
        "significance": "0.05",
        "equal_margin": "0.03",
    }


def test_a_p_value_at_the_significance_does_not_count():
    found = judge(contender("full"), contender("medium")).test.p_value
    assert judge(contender("full"), contender("medium"), significance=found).outcome is Outcome.EQUAL


def test_predictions_that_are_no_classes_are_named(tmp_path):
    text = (PREDICTIONS / "full.csv").read_text(encoding="utf-8")
    path = tmp_path / "predictions.csv"
    for damaged, message in (
        (text.replace(",happy,happy,", ",happy,glad,", 1), r"predictions\.csv: predicted 'glad'"),
        (text.replace(",false,", ",maybe,", 1), r"leaked 'maybe'"),
        (text.splitlines()[0] + "\n", "holds no image"),
        (text.replace("leaked", "leak", 1), "column 'leaked' is missing"),
    ):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_predictions(path)


def test_predictions_of_other_images_are_not_paired():
    with pytest.raises(DataError, match="not about the same images"):
        paired_test(predictions("full"), predictions("other"))
