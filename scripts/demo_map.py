"""The demo's picture and project: image, outlines and prompts in a print layout, drawn by QGIS."""

from pathlib import Path

from qgis.core import (
    QgsFillSymbol,
    QgsLayoutExporter,
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemScaleBar,
    QgsLayoutPoint,
    QgsLayoutSize,
    QgsLineSymbol,
    QgsMarkerSymbol,
    QgsPalLayerSettings,
    QgsPrintLayout,
    QgsRectangle,
    QgsReferencedRectangle,
    QgsRuleBasedRenderer,
    QgsSingleSymbolRenderer,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsUnitTypes,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtCore import QSizeF
from qgis.PyQt.QtGui import QColor, QFont

from cityseg_qgis.errors import SaveProblem

_MM = QgsUnitTypes.LayoutUnit.LayoutMillimeters
_PAGE_MM, _MAP_MM, _EDGE_MM, _DPI = (268, 243), (200, 200), 8, 150


def draw(project, raster, outlines, found, words, prompts_file, out):
    """Style the layers, export result.png and save demo.qgz. `found` may be None. Raises `SaveProblem`."""
    _style_outlines(outlines)
    prompts = _prompt_layers(project, prompts_file)
    if found is not None:
        _style_found(found)
    project.layerTreeRoot().setHasCustomLayerOrder(True)
    order = [*prompts, outlines, *([] if found is None else [found]), raster]
    project.layerTreeRoot().setCustomLayerOrder(order)
    view = _view(raster.extent(), [outlines, *prompts])
    title = f"CitySeg: {outlines.featureCount()} objects from prompts"
    if found is not None:
        title += f", {found.featureCount()} from words"
    layout = _layout(project, raster, title, words, order, view)
    settings = QgsLayoutExporter.ImageExportSettings()
    settings.dpi = _DPI
    picture = out / "result.png"
    if (
        QgsLayoutExporter(layout).exportToImage(str(picture), settings)
        != QgsLayoutExporter.ExportResult.Success
    ):
        raise SaveProblem(f"{picture} could not be written.")
    project.viewSettings().setDefaultViewExtent(QgsReferencedRectangle(view, raster.crs()))
    if not project.write(str(out / "demo.qgz")):
        raise SaveProblem(f"{out / 'demo.qgz'} could not be written.", project.error())


def _style_outlines(layer):
    symbol = QgsFillSymbol.createSimple(
        {"color": "255,214,0,45", "outline_color": "255,214,0,255", "outline_width": "0.55"}
    )
    layer.setRenderer(QgsSingleSymbolRenderer(symbol))
    layer.setName("Segmented objects")
    text = QgsTextFormat()
    text.setFont(QFont("DejaVu Sans"))
    text.setSize(8)
    text.setColor(QColor("white"))
    halo = QgsTextBufferSettings()
    halo.setEnabled(True)
    halo.setSize(0.8)
    halo.setColor(QColor(20, 20, 20))
    text.setBuffer(halo)
    label = QgsPalLayerSettings()
    label.isExpression = True
    label.fieldName = (
        """"object" || ' ' || coalesce("class", '') || '\n' || round("area_m2") || ' m²'"""
    )
    label.setFormat(text)
    # Above and beside the object: a label on a roof hides what is to be judged.
    label.placement = QgsPalLayerSettings.Placement.OutsidePolygons
    layer.setLabeling(QgsVectorLayerSimpleLabeling(label))
    layer.setLabelsEnabled(True)


def _style_found(layer):
    """What the words found, below the prompted outlines and in another colour."""
    symbol = QgsFillSymbol.createSimple(
        {"color": "0,190,255,60", "outline_color": "0,190,255,255", "outline_width": "0.5"}
    )
    layer.setRenderer(QgsSingleSymbolRenderer(symbol))
    layer.setName("Found in words")


def _prompt_layers(project, path: Path):
    """The tables of prompts that there are, green adds and red removes."""
    layers = []
    for table, title in (
        ("clicks", "Clicks"),
        ("strokes", "Scribbles"),
        ("areas", "Boxes and lassos"),
    ):
        layer = QgsVectorLayer(f"{path}|layername={table}", title, "ogr")
        if not layer.isValid() or layer.featureCount() == 0:
            continue
        root = QgsRuleBasedRenderer.Rule(None)
        for label, word, colour in ((1, "adds", "0,220,90"), (0, "removes", "240,40,60")):
            rule = QgsRuleBasedRenderer.Rule(
                _symbol(table, colour), filterExp=f'"label" = {label}', label=word
            )
            present = any(feature["label"] == label for feature in layer.getFeatures())
            if present:
                root.appendChild(rule)
        layer.setRenderer(QgsRuleBasedRenderer(root))
        project.addMapLayer(layer)
        layers.append(layer)
    return layers


def _symbol(table, colour):
    if table == "clicks":
        return QgsMarkerSymbol.createSimple(
            {
                "name": "circle",
                "size": "2.6",
                "color": colour,
                "outline_color": "white",
                "outline_width": "0.4",
            }
        )
    if table == "strokes":
        return QgsLineSymbol.createSimple({"color": colour, "width": "0.9"})
    return QgsFillSymbol.createSimple(
        {"style": "no", "outline_color": colour, "outline_width": "0.5", "outline_style": "dash"}
    )


def _view(whole, layers):
    """The prompts and outlines with a margin, square, and no larger than needed: the raster may be a whole city."""
    view = QgsRectangle()
    view.setMinimal()
    for layer in layers:
        if layer.featureCount():
            layer.updateExtents()
            view.combineExtentWith(layer.extent())
    if view.isEmpty():
        view = whole
    side = max(view.width(), view.height()) * 1.15
    # Over the raster's edge is nothing to see: move inside where there is room.
    x = _within(view.center().x(), side, whole.xMinimum(), whole.xMaximum())
    y = _within(view.center().y(), side, whole.yMinimum(), whole.yMaximum())
    return QgsRectangle(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def _within(middle, side, low, high):
    if side > high - low:
        return (low + high) / 2
    return min(max(middle, low + side / 2), high - side / 2)


def _layout(project, raster, title, words, order, view):
    layout = QgsPrintLayout(project)
    layout.initializeDefaults()
    layout.setName("Demo")
    layout.pageCollection().page(0).setPageSize(QgsLayoutSize(QSizeF(*_PAGE_MM), _MM))
    crs = raster.crs().authid() or "no CRS"
    _label(layout, title, 16, 6, True)
    said = f"   “{words}”" if words else ""
    _label(layout, f"{raster.name()}   {crs}{said}   drawn by QGIS", 9, 15, False)
    picture = QgsLayoutItemMap(layout)
    picture.attemptMove(QgsLayoutPoint(_EDGE_MM, 24, _MM))
    picture.attemptResize(QgsLayoutSize(*_MAP_MM, _MM))
    picture.setLayers(order)
    picture.setCrs(raster.crs())
    picture.setExtent(view)
    picture.setFrameEnabled(True)
    layout.addLayoutItem(picture)
    legend = QgsLayoutItemLegend(layout)
    legend.setLinkedMap(picture)
    legend.setTitle("")
    legend.setAutoUpdateModel(False)
    legend.model().rootGroup().removeLayer(raster)
    layout.addLayoutItem(legend)
    legend.attemptMove(QgsLayoutPoint(_EDGE_MM + _MAP_MM[0] + 2, 24, _MM))
    if raster.crs().isValid():
        bar = QgsLayoutItemScaleBar(layout)
        bar.setLinkedMap(picture)
        bar.applyDefaultSize()
        bar.setHeight(2)
        bar.setFont(QFont("DejaVu Sans", 8))
        layout.addLayoutItem(bar)
        bar.attemptMove(QgsLayoutPoint(_EDGE_MM, 24 + _MAP_MM[1] + 1, _MM))
    project.layoutManager().addLayout(layout)
    return layout


def _label(layout, text, size, top_mm, bold):
    label = QgsLayoutItemLabel(layout)
    label.setText(text)
    font = QFont("DejaVu Sans", size)
    font.setBold(bold)
    label.setFont(font)
    layout.addLayoutItem(label)
    label.attemptMove(QgsLayoutPoint(_EDGE_MM, top_mm, _MM))
    label.attemptResize(QgsLayoutSize(_PAGE_MM[0] - 2 * _EDGE_MM, 10, _MM))
