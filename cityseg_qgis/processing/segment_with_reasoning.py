"""`cityseg:segmentwithreasoning`: the answer to a question, as polygons and a sentence."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterString

from cityseg_qgis.core.text_request import ASK
from cityseg_qgis.i18n import tr
from cityseg_qgis.processing.words import WordsAlgorithm

QUESTION = "QUESTION"


class SegmentWithReasoning(WordsAlgorithm):
    """Asks: "Where could a helicopter land?"."""

    ID = "segmentwithreasoning"
    ICON = "alg-ask"
    WORDS = QUESTION
    MODE = ASK

    def displayName(self) -> str:
        return tr("Segment with a question")

    def tags(self) -> list[str]:
        return tr("reasoning,ask,question,find,explain,why,prompt,words,ai").split(",")

    def shortDescription(self) -> str:
        return tr("Answers a question about an image with outlines and a sentence that says why.")

    def add_words(self) -> None:
        self.addParameter(
            QgsProcessingParameterString(QUESTION, tr("Question, such as “Where do people live?”"))
        )

    def empty_words(self) -> str:
        return tr("Ask a question, for example “Where could a helicopter land?”.")

    def shortHelpString(self) -> str:
        return tr(
            "Answers a question about an image: the places that answer it become polygons, and a sentence says what the "
            "question was taken for and why. Everything is computed on your machine.\n"
            "Question: in English, about what can be seen from above: Where do people live? What makes electricity from "
            "sunlight? Where could a helicopter land?\n"
            "Find: all places, or the one that fits best.\n"
            "Extent: may be in any CRS. The answer at a place does not depend on it.\n"
            "Threshold: lower finds more, higher finds what is surer. Minimum area: on the ground; in pixels where the "
            "image has no CRS.\n"
            "Model: a name, as cityseg models list shows them, or the path of a checkpoint that hears words. Device: auto "
            "is what the CitySeg options say.\n"
            "Mask: a GeoTIFF on the image's grid with the number of each object.\n"
            "The output ANSWER is the sentence; the field why has the reason of each feature. A cancelled run writes what "
            "was found until then.\n"
            "Example: qgis_process run cityseg:segmentwithreasoning -- INPUT=city.tif QUESTION='Where can cars drive?' "
            "OUTPUT=found.gpkg"
        )
