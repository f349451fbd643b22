"""The layer in which found objects wait for the user's word: its fields, its look, and how it is known again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsExpression,
    QgsExpressionContextUtils,
    QgsFeature,
    QgsFillSymbol,
    QgsProject,
    QgsProperty,
    QgsRuleBasedRenderer,
    QgsSimpleFillSymbolLayer,
    QgsSymbolLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from cityseg_qgis.core import attributes
from cityseg_qgis.core.attributes import FIELDS
from cityseg_qgis.core.text_answer import Found
from cityseg_qgis.i18n import tr

STATE = "review"
KEPT, DROPPED, ACCEPTED = "kept", "dropped", "accepted"
_MARK = "cityseg/review"
_LEAST = "cityseg_least_score"
# More entries than this make the legend longer than the map; then all classes share one rule.
_MOST_CLASSES = 12
_STRONG = {"outline_width": "0.5", "outline_width_unit": "MM", "joinstyle": "round"}


def new_review_layer(crs: QgsCoordinateReferenceSystem, project: QgsProject) -> QgsVectorLayer:
    """An empty review layer on top of the project."""
    kinds = {**FIELDS, STATE: "string(10)"}
    fields = "&".join(f"field={name}:{kind}" for name, kind in kinds.items())
    layer = QgsVectorLayer(f"MultiPolygon?{fields}", tr("CitySeg review"), "memory")
    layer.setCrs(crs)
    layer.setCustomProperty(_MARK, True)
    set_least_score(layer, 0.0)
    apply_look(layer, ())
    project.addMapLayer(layer)
    return layer


def find_review_layer(project: QgsProject) -> Optional[QgsVectorLayer]:
    """The review layer that an earlier life of the plugin left in the project."""
    for layer in project.mapLayers().values():
        if (
            isinstance(layer, QgsVectorLayer)
            and layer.isValid()
            and layer.customProperty(_MARK)
            and layer.fields().indexOf(STATE) >= 0
        ):
            return layer
    return None


def let_go(layer: QgsVectorLayer, name: str) -> None:
    """From now on an ordinary layer of the user's."""
    layer.removeCustomProperty(_MARK)
    layer.setName(name)


def set_least_score(layer: QgsVectorLayer, least: float) -> None:
    """Hide what is less sure. The style reads it as a variable: nothing is written, nothing is run again."""
    QgsExpressionContextUtils.setLayerVariable(layer, _LEAST, f"{least:.4f}")


def least_score(layer: QgsVectorLayer) -> float:
    """What `set_least_score` set."""
    try:
        return float(QgsExpressionContextUtils.layerScope(layer).variable(_LEAST))
    except (TypeError, ValueError):
        return 0.0


def to_feature(layer: QgsVectorLayer, found: Found, object_id: int, state: str = KEPT) -> QgsFeature:
    """`found` as a feature of the layer, in the layer's CRS."""
    values = {
        **attributes.measures(found.geometry, layer.crs()),
        **{name: value for name, value in found.values.items() if name not in ("area_m2", "perim_m")},
        "object": object_id,
        STATE: state,
    }
    feature = QgsFeature(layer.fields())
    for index, value in attributes.by_index(layer, values).items():
        feature.setAttribute(index, value)
    feature.setGeometry(found.geometry.coerceToType(layer.wkbType())[0])
    return feature


def apply_look(layer: QgsVectorLayer, classes: Sequence[str]) -> None:
    """Kept objects in the colour of their class, the surer the stronger; dropped ones as dashed grey lines."""
    root = QgsRuleBasedRenderer.Rule(None)
    shown = f'coalesce("score", 1) >= coalesce(@{_LEAST}, 0)'
    kept = f"\"{STATE}\" = '{KEPT}' AND {shown}"
    if 0 < len(classes) <= _MOST_CLASSES:
        for name in sorted(classes):
            only = f"coalesce(\"class\", '') = {QgsExpression.quotedString(name)} AND {kept}"
            rule = QgsRuleBasedRenderer.Rule(_kept_symbol(hue_of(name)), 0, 0, only)
            rule.setLabel(name or tr("without a class"))
            root.appendChild(rule)
    else:
        rule = QgsRuleBasedRenderer.Rule(_kept_symbol(None), 0, 0, kept)
        rule.setLabel(tr("kept"))
        root.appendChild(rule)
    rule = QgsRuleBasedRenderer.Rule(_dropped_symbol(), 0, 0, f"\"{STATE}\" = '{DROPPED}' AND {shown}")
    rule.setLabel(tr("dropped"))
    root.appendChild(rule)
    layer.setRenderer(QgsRuleBasedRenderer(root))
    layer.triggerRepaint()
    layer.emitStyleChanged()


def hue_of(class_name: str) -> int:
    """Degrees; the same for a class here and in the target layer's own style."""
    if not class_name:
        return 206
    weighed = sum(ord(letter) * (place + 17) for place, letter in enumerate(class_name))
    return (weighed * 4 + 325) % 360


def _kept_symbol(hue: Optional[int]) -> QgsFillSymbol:
    symbol = QgsFillSymbol.createSimple({**_STRONG, "outline_style": "solid", "style": "solid"})
    layer = symbol.symbolLayer(0)
    degrees = str(hue) if hue is not None else _HUE_BY_CLASS
    sure = 'scale_linear(coalesce("score", 1), 0.3, 1, 40, 125)'
    properties = layer.dataDefinedProperties()
    fill = QgsProperty.fromExpression(f"color_hsla({degrees}, 85, 50, {sure})")
    stroke = QgsProperty.fromExpression(f"color_hsl({degrees}, 90, 34)")
    properties.setProperty(_property("FillColor"), fill)
    properties.setProperty(_property("StrokeColor"), stroke)
    if hue is not None:
        # What the legend shows, which evaluates nothing.
        layer.setFillColor(QColor.fromHsl(hue, 217, 127, 110))
        layer.setStrokeColor(QColor.fromHsl(hue, 230, 87))
    return symbol


def _property(name: str) -> QgsSymbolLayer.Property:
    """QGIS 3.36 took the word Property off the names."""
    kinds = QgsSymbolLayer.Property
    return getattr(kinds, name) if hasattr(kinds, name) else getattr(kinds, f"Property{name}")


def _dropped_symbol() -> QgsFillSymbol:
    # Grey on a pale edge: to be seen on dark and on light ground, and not to be taken for kept.
    dashes = {"style": "no", "outline_color": "70,70,70,255", "outline_style": "dash", "outline_width": "0.5"}
    symbol = QgsFillSymbol.createSimple(dashes)
    edge = {"style": "no", "outline_color": "255,255,255,150", "outline_style": "solid", "outline_width": "0.9"}
    symbol.insertSymbolLayer(0, QgsSimpleFillSymbolLayer.create(edge))
    return symbol


_HUE_BY_CLASS = (
    "if(coalesce(\"class\", '') = '', 206, (array_sum(array_foreach(generate_series(1, length(\"class\")), "
    'ascii(substr("class", @element, 1)) * (@element + 16))) * 4 + 325) % 360)'
)
