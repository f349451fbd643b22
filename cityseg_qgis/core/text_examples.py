"""What one may ask, for the menus of the Refer and Ask panels."""

from __future__ import annotations

from cityseg_qgis.i18n import tr


def refer_examples() -> list[tuple[str, list[str]]]:
    """Groups of phrases, each with a title."""
    return [
        (tr("Classes"), [tr("buildings"), tr("roads, trees, water"), tr("solar panels")]),
        (
            tr("Colour, size and shape"),
            [tr("buildings with a red roof"), tr("buildings larger than 200 m²"), tr("long narrow buildings")],
        ),
        (
            tr("Where"),
            [
                tr("buildings within 50 m of water"),
                tr("trees next to a road"),
                tr("cars north of the building"),
                tr("pools in the upper left"),
            ],
        ),
        (tr("One of them"), [tr("the largest building"), tr("the northernmost tree"), tr("the third largest field")]),
        (
            tr("Not and or"),
            [tr("buildings without solar panels"), tr("cars or trucks not on a road")],
        ),
    ]


def ask_examples() -> list[tuple[str, list[str]]]:
    """As `refer_examples`, questions."""
    return [
        (
            tr("What is it for?"),
            [
                tr("Where do people live?"),
                tr("What makes electricity from sunlight?"),
                tr("Where can cars drive?"),
                tr("Where could one swim?"),
            ],
        ),
        (
            tr("What is possible?"),
            [
                tr("Where could a helicopter land?"),
                tr("What gives shade in summer?"),
                tr("Where does rain not soak in?"),
            ],
        ),
        (tr("How many?"), [tr("How many cars are there?"), tr("How many buildings are near water?")]),
    ]
