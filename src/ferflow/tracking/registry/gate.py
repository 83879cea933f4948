"""The gate of the registry: whether a challenger takes the champion's place.

Pure figures in, a decision out; nothing here knows where models are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ferflow.tracking.comparison.paired import PairedTest, Predictions, paired_test, same_images


class Outcome(Enum):
    """What the gate found."""

    FIRST = "first version"
    BETTER = "better"
    EQUAL_CHEAPER = "equal at lower cost"
    EQUAL = "equal"
    WORSE = "worse"
    BELOW_FLOOR = "a class below the floor"
    OTHER_TEST_SET = "other test set"
    NOTHING_TO_SCORE = "no leak-free test image"


PROMOTED = frozenset({Outcome.FIRST, Outcome.BETTER, Outcome.EQUAL_CHEAPER})
_WHY_PROMOTED = {
    Outcome.FIRST: "there is none",
    Outcome.BETTER: "better than {}",
    Outcome.EQUAL_CHEAPER: "equal to {} at lower cost",
}
REFUSED = frozenset({Outcome.BELOW_FLOOR, Outcome.OTHER_TEST_SET, Outcome.NOTHING_TO_SCORE})


@dataclass(frozen=True)
class Rules:
    """What the gate asks for; section `registry` of the parameters.

    Attributes:
        class_floor: Lowest recall that any class may have, 0-1. Of all test images: rare classes have
            too few leak-free ones for a floor.
        significance: The difference counts where McNemar's p-value is below this, 0-1.
        equal_margin: Accuracy that an equally good, cheaper network may lie below the champion's, 0-1.
    """

    class_floor: float
    significance: float
    equal_margin: float


@dataclass(frozen=True)
class Contender:
    """A scored network.

    Attributes:
        name: What the description calls it, such as `version 3`.
        predictions: The predictions of all test images.
        test_digest: SHA-256 of the test subset's file.
        cost: Multiply-adds of one answer, all views counted; None where it is not known.
    """

    name: str
    predictions: Predictions
    test_digest: str
    cost: int | None


@dataclass(frozen=True)
class Decision:
    """What the gate decided, and all it decided by.

    Attributes:
        outcome: What it found.
        challenger: Name of the network that was judged.
        champion: Name of the one it was compared with; None where there was none.
        rules: What was asked for.
        num_images: Leak-free test images.
        accuracy: The challenger's accuracy on these; None where there is no such image.
        lowest_class: The class with the challenger's lowest recall on all test images; a class without
            test images has none.
        lowest_recall: That recall.
        test: The paired test; None where none was made.
        cost: Multiply-adds of the challenger.
        champion_cost: Multiply-adds of the champion.
    """

    outcome: Outcome
    challenger: str
    champion: str | None
    rules: Rules
    num_images: int
    accuracy: float | None
    lowest_class: str
    lowest_recall: float
    test: PairedTest | None
    cost: int | None
    champion_cost: int | None

    @property
    def is_promoted(self) -> bool:
        """Whether the challenger takes the place."""
        return self.outcome in PROMOTED

    def figures(self) -> dict[str, str]:
        """Name to figure as text, of those that are known; for the tags of a version."""
        test = self.test
        known: dict[str, object] = {
            "decision": self.outcome.value,
            "promoted": str(self.is_promoted).lower(),
            "against": self.champion,
            "num_images": self.num_images,
            "accuracy": _rounded(self.accuracy),
            "champion_accuracy": _rounded(test.num_right_old / test.num_images) if test else None,
            "num_gained": test.num_gained if test else None,
            "num_lost": test.num_lost if test else None,
            "p_value": f"{test.p_value:.6g}" if test else None,
            "lowest_class": self.lowest_class,
            "lowest_recall": _rounded(self.lowest_recall),
            "cost": self.cost,
            "champion_cost": self.champion_cost,
            "class_floor": self.rules.class_floor,
            "significance": self.rules.significance,
            "equal_margin": self.rules.equal_margin,
        }
        return {name: str(figure) for name, figure in known.items() if figure is not None}

    def description(self) -> str:
        """The decision in one or two sentences."""
        return f"{self._verdict()} {self._reason()}"

    def _verdict(self) -> str:
        if self.is_promoted:
            return f"{self.challenger} becomes champion: {_WHY_PROMOTED[self.outcome].format(self.champion)}."
        kind = "is refused" if self.outcome in REFUSED else "stays challenger"
        return f"{self.challenger} {kind}: {self.outcome.value}."

    def _reason(self) -> str:
        if self.outcome is Outcome.OTHER_TEST_SET:
            return (
                f"It was not scored on the test set of {self.champion}, so the two cannot be compared; "
                "'ferflow register --force' makes it champion all the same."
            )
        if self.outcome is Outcome.NOTHING_TO_SCORE:
            return "Every test image has a copy in train or val."
        if self.outcome is Outcome.BELOW_FLOOR:
            return (
                f"It finds {self.lowest_recall:.1%} of class {self.lowest_class}, "
                f"the floor is {self.rules.class_floor:.0%}."
            )
        if self.test is None:
            return (
                f"It has {self.accuracy:.1%} of {self.num_images:,} leak-free test images right; "
                f"its lowest recall is {self.lowest_recall:.1%} ({self.lowest_class})."
            )
        return f"{_in_words(self.test)}{self._costs()}"

    def _costs(self) -> str:
        if self.outcome not in (Outcome.EQUAL, Outcome.EQUAL_CHEAPER):
            return ""
        if self.cost is None or self.champion_cost is None:
            return " What an answer costs is not known of both."
        words = f" An answer costs {self.cost:,} multiply-adds, against {self.champion_cost:,}."
        if self.outcome is Outcome.EQUAL and self.cost < self.champion_cost:
            words += f" That is less, but its accuracy is lower by more than {self.rules.equal_margin:.1%}."
        return words


def decide(challenger: Contender, champion: Contender | None, rules: Rules) -> Decision:
    """Judge a challenger.

    It needs every class at or above the floor and, where there is a champion, the same test set and
    a better score by the paired test, or one that is not told apart at a lower cost.

    Args:
        challenger: The network that is judged.
        champion: The network that holds the place; None where there is none.
        rules: What is asked for.
    """
    leak_free = challenger.predictions.leak_free()
    recalls = challenger.predictions.recalls()
    lowest = min(recalls, key=lambda name: recalls[name])
    outcome, test = _judge(challenger, champion, rules)
    return Decision(
        outcome=outcome,
        challenger=challenger.name,
        champion=champion.name if champion else None,
        rules=rules,
        num_images=len(leak_free.files),
        accuracy=float(leak_free.right().mean()) if len(leak_free.files) else None,
        lowest_class=lowest,
        lowest_recall=recalls[lowest],
        test=test,
        cost=challenger.cost,
        champion_cost=champion.cost if champion else None,
    )


def _judge(
    challenger: Contender, champion: Contender | None, rules: Rules
) -> tuple[Outcome, PairedTest | None]:
    """The outcome, and the paired test where the two can be compared."""
    if challenger.predictions.leaked.all():
        return Outcome.NOTHING_TO_SCORE, None
    is_comparable = champion is not None and (
        challenger.test_digest == champion.test_digest
        and same_images(challenger.predictions, champion.predictions)
    )
    test = paired_test(challenger.predictions, champion.predictions) if champion and is_comparable else None
    if min(challenger.predictions.recalls().values()) < rules.class_floor:
        return Outcome.BELOW_FLOOR, test
    if champion is None:
        return Outcome.FIRST, None
    if test is None:
        return Outcome.OTHER_TEST_SET, None
    if test.p_value < rules.significance:
        return (Outcome.BETTER if test.difference > 0 else Outcome.WORSE), test
    is_cheaper = challenger.cost is not None and champion.cost is not None and challenger.cost < champion.cost
    # Accuracies are ratios of counts: the margin is compared with room for their rounding.
    is_close = test.difference >= -rules.equal_margin - 1e-12
    return (Outcome.EQUAL_CHEAPER if is_cheaper and is_close else Outcome.EQUAL), test


def _in_words(test: PairedTest) -> str:
    accuracy, old = test.num_right / test.num_images, test.num_right_old / test.num_images
    return (
        f"Of {test.num_images:,} leak-free test images it has {accuracy:.2%} right, the champion {old:.2%}; "
        f"{test.num_gained:,} are right by it alone, {test.num_lost:,} by the champion alone "
        f"(McNemar, exact, p = {test.p_value:.3g})."
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
