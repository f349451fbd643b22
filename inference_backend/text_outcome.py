"""From all that the model found to the answer: is it here at all, what does the program choose, and a sentence why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shapely.geometry.base import BaseGeometry

from inference_backend.imagery.source import RasterSource
from inference_backend.language.execute import Instance, View, execute
from inference_backend.text_features import TextFeature
from inference_backend.text_ground import GroundFrame
from inference_backend.text_request import TextRequest
from inference_backend.text_understanding import PROGRAM, Reading, Wanted

PRESENT = 0.5
"""Where the model says of no tile that the thing is there, what it outlines is taken for noise."""
_MOST_CONCEPTS = 2


@dataclass(frozen=True)
class Conclusion:
    """The chosen features, and the sentence for the user."""

    features: list[TextFeature]
    answer: str


def conclude(
    reading: Reading,
    found: Mapping[str, Sequence[TextFeature]],
    presence: Mapping[str, float],
    source: RasterSource,
    clip: BaseGeometry,
    request: TextRequest,
    tiles: int,
    whole: bool,
) -> Conclusion:
    """Choose and explain. Raises InvalidInput where the program needs metres or north and the raster has none."""
    here = {
        one.key: list(found[one.key]) if presence.get(one.key, 0.0) >= PRESENT else []
        for one in reading.wanted
    }
    looked = f"looked at {tiles:,} tile{'' if tiles == 1 else 's'}; nothing above {request.options.threshold:g}"
    if reading.program is not None and reading.path == PROGRAM:
        features, sentence = _run_program(reading, here, source, clip, looked)
    else:
        features, sentence = _list(reading, here, looked)
    if request.find == "one" and len(features) > 1:
        best = max(features, key=lambda feature: feature.score)
        sentence = f"{sentence} Of these, the surest is shown ({best.score:.2f})."
        features = [best]
    why = _why(reading)
    features = [replace(feature, why=feature.why or why) for feature in features]
    answer = " ".join(part for part in (sentence, _understood_as(reading)) if part)
    if not whole:
        answer = (
            f"Stopped before all was seen ({tiles:,} tile{'' if tiles == 1 else 's'}). {answer}"
        )
    return Conclusion(features, answer)


def _run_program(
    reading: Reading,
    here: Mapping[str, list[TextFeature]],
    source: RasterSource,
    clip: BaseGeometry,
    looked: str,
) -> tuple[list[TextFeature], str]:
    bounds = clip.bounds
    frame = GroundFrame.around(source, ((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2))
    view = View(frame.to_ground(clip).bounds, frame.north, metres=frame.metres)
    things: dict[str, list[Instance]] = {}
    origin: dict[int, TextFeature] = {}
    for key, features in here.items():
        things[key] = [_instance(feature, key, frame) for feature in features]
        origin |= {id(thing): feature for thing, feature in zip(things[key], features)}
    outcome = execute(reading.program, things, view)
    chosen = [origin.get(id(thing)) or _made(thing, frame) for thing in outcome.instances]
    if not chosen and not outcome.considered:
        return [], _none(reading.wanted, here, looked)
    return chosen, outcome.sentence


def _instance(feature: TextFeature, key: str, frame: GroundFrame) -> Instance:
    return Instance(
        frame.to_ground(feature.geometry), feature.class_name or key, feature.score, feature.colour
    )


def _made(thing: Instance, frame: GroundFrame) -> TextFeature:
    """What the program itself made, such as the ground that is left without the buildings."""
    return TextFeature(frame.to_source(thing.geometry), thing.concept, thing.score, thing.colour)


def _list(
    reading: Reading, here: Mapping[str, list[TextFeature]], looked: str
) -> tuple[list[TextFeature], str]:
    """What a list of classes, or a sentence that only the network understands, is answered with."""
    features = [feature for one in reading.wanted for feature in here[one.key]]
    if not features:
        return [], _none(reading.wanted, here, looked)
    if any(one.is_sentence for one in reading.wanted):
        count = len(features)
        return features, f"{count:,} place{'' if count == 1 else 's'} matched these words."
    said = [_counted(one, here[one.key]) for one in reading.wanted]
    return features, f"Found {_joined(said, 'and')}."


def _counted(one: Wanted, features: Sequence[TextFeature]) -> str:
    count = len(features)
    if not count:
        return f"no {one.plural}"
    if not one.countable:
        return f"{one.plural} in {count:,} area{'' if count == 1 else 's'}"
    name = one.concept.name if one.concept is not None and count == 1 else one.plural
    return f"{count:,} {name}"


def _none(wanted: Sequence[Wanted], here: Mapping[str, list[TextFeature]], looked: str) -> str:
    missing = [one for one in wanted if not here[one.key]] or list(wanted)
    if any(one.is_sentence for one in missing):
        return f"Nothing that these words describe was found in this area ({looked})."
    was = "was" if len(missing) == 1 and not missing[0].countable else "were"
    return (
        f"No {_joined([one.plural for one in missing], 'or')} {was} found in this area ({looked})."
    )


def _why(reading: Reading) -> str:
    """What stands with each feature: the reason of the concept, else what was understood."""
    because = next((because for _, _, because in reading.concepts if because), "")
    return (
        f"{reading.sentence} ({because})"
        if because and reading.sentence
        else because or reading.sentence
    )


def _understood_as(reading: Reading) -> str:
    """Why, after a question: what it was taken for, how surely, and the reason."""
    named = [known for known in reading.concepts if known[2] or known[1] < 1][:_MOST_CONCEPTS]
    if reading.task != "reasoning" or not named:
        return ""
    said = [
        f"{name}, {probability:.2f}{', ' + because if because else ''}"
        for name, probability, because in named
    ]
    return f"Understood as: {'; '.join(said)}."


def _joined(words: Sequence[str], last: str) -> str:
    words = list(dict.fromkeys(words))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
