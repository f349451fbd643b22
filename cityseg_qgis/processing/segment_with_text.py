"""`cityseg:segmentwithtext`: what a text or a list of classes means, as polygons."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterString

from cityseg_qgis.core.text_request import REFER
from cityseg_qgis.i18n import tr
from cityseg_qgis.processing.words import WordsAlgorithm

TEXT = "TEXT"


class SegmentWithText(WordsAlgorithm):
    """Refers: "trees", "roads, pools", "buildings larger than 200 m² near water"."""

    ID = "segmentwithtext"
    ICON = "alg-text"
    WORDS = TEXT
    MODE = REFER

    def displayName(self) -> str:
        return tr("Segment with text")

    def tags(self) -> list[str]:
        return tr("find,detect,extract,prompt,words,classes,objects,buildings,trees,roads,ai").split(",")

    def shortDescription(self) -> str:
        return tr("Finds in an image what a text means, and outlines it.")

    def add_words(self) -> None:
        self.addParameter(
            QgsProcessingParameterString(TEXT, tr("What to find: a text, or classes separated by commas"))
        )

    def empty_words(self) -> str:
        return tr("Say what to find, for example “buildings” or “trees, roads”.")

    def shortHelpString(self) -> str:
        return tr(
            "Finds in an image what a text means, and outlines it as polygons with a class and a score. Everything is "
            "computed on your machine.\n"
            "What to find: things by name (trees), several classes separated by commas (roads, pools, cars), or a "
            "description in English: buildings larger than 200 m² within 50 m of water; the largest building; red cars. "
            "Sizes and distances are exact where the image has a CRS.\n"
            "Find: all of them, or the one that fits best.\n"
            "Extent: may be in any CRS. The answer at a place does not depend on it.\n"
            "Threshold: lower finds more, higher finds what is surer. Minimum area: on the ground; in pixels where the "
            "image has no CRS.\n"
            "Model: a name, as cityseg models list shows them, or the path of a checkpoint that hears words. Device: auto "
            "is what the CitySeg options say.\n"
            "Mask: a GeoTIFF on the image's grid with the number of each object.\n"
            "A cancelled run writes what was found until then.\n"
            "Example: qgis_process run cityseg:segmentwithtext -- INPUT=city.tif TEXT='buildings larger than 150 m²' "
            "OUTPUT=found.gpkg"
        )
