"""A cloud's CRS: from its header or from the user, and how many metres one of its units is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import laspy
import pyproj
from laspy.vlrs.known import WktCoordinateSystemVlr
from pyproj.enums import WktVersion
from pyproj.exceptions import CRSError, ProjError

from inference_backend.errors import InvalidInput
from inference_backend.points.geokeys import crs_of_geokeys

# Projections of a country stretch by a thousandth or so; Mercator by half as much again in the middle latitudes.
_STRETCH = 0.02
NO_CRS = "The cloud names no CRS: its coordinates are taken for metres; give its CRS if it has one."


_CRS_RECORDS = (
    "WktCoordinateSystemVlr",
    "GeoKeyDirectoryVlr",
    "GeoAsciiParamsVlr",
    "GeoDoubleParamsVlr",
)


@dataclass(frozen=True)
class CloudCrs:
    """`crs` None and `wkt` "" where there is none. One unit of x and y is `xy_unit_m` metres, one of z `z_unit_m`."""

    crs: pyproj.CRS | None = None
    wkt: str = ""
    xy_unit_m: float = 1.0
    z_unit_m: float = 1.0
    warnings: tuple[str, ...] = ()


def given_crs(text: str) -> pyproj.CRS:
    """The CRS that the user names: EPSG:2154, a WKT, a PROJ string. Raises InvalidInput."""
    try:
        return pyproj.CRS.from_user_input(text)
    except CRSError as error:
        raise InvalidInput(
            f"'{text}' is no CRS that is known here; name one as in EPSG:2154.", str(error)
        ) from error


def header_crs(header: laspy.LasHeader) -> tuple[pyproj.CRS | None, str, tuple[str, ...]]:
    """(CRS or None, its WKT as the file has it, warnings) from the WKT record or, failing that, the GeoTIFF keys."""
    warnings: tuple[str, ...] = ()
    records = [*header.vlrs, *(header.evlrs or ())]
    ours = [one for one in records if one.user_id.strip() == "LASF_Projection"]
    for record in ours:
        if record.record_id == 2112:
            wkt = _text(record.record_data_bytes())
            crs = parsed_crs(wkt) if wkt else None
            if crs is not None:
                return crs, wkt, ()
            if wkt:
                warnings = ("The cloud's CRS cannot be understood.",)
    crs = crs_of_geokeys({one.record_id: one.record_data_bytes() for one in ours})
    return crs, wkt_of(crs) if crs is not None else "", () if crs is not None else warnings


def carry_crs(header: laspy.LasHeader, placed: CloudCrs) -> None:
    """Put the CRS into the header in place of what it says, so that what is written from it says the same."""
    if placed.crs is None:
        return
    for name in _CRS_RECORDS:
        header.vlrs.extract(name)
        if header.evlrs:
            header.evlrs.extract(name)
    if header.version.minor >= 4:
        header.vlrs.append(WktCoordinateSystemVlr(placed.wkt))
        header.global_encoding.wkt = True
        return
    # Before 1.4 there are GeoTIFF keys only, which name a CRS by its code.
    flat = horizontal_crs(placed.crs)
    if flat.to_epsg() is not None:
        header.add_crs(flat)


def cloud_crs(
    crs: pyproj.CRS | None,
    wkt: str,
    bounds_source: tuple[float, ...],
    name: str,
    warnings: tuple[str, ...] = (),
) -> CloudCrs:
    """The units of a CRS. `bounds_source` and `name` are for the sentence that refuses degrees. Raises InvalidInput."""
    if crs is None:
        return CloudCrs(warnings=(*warnings, NO_CRS))
    flat = horizontal_crs(crs)
    if flat.is_geographic or flat.is_geocentric:
        raise InvalidInput(_reproject(flat, bounds_source, name))
    xy_unit_m = _factor(flat, 0)
    stretch = _stretch(flat, bounds_source)
    z_unit_m = _vertical_factor(crs)
    if z_unit_m is None:
        z_unit_m = xy_unit_m
        if not math.isclose(xy_unit_m, 1.0, rel_tol=1e-9):
            said = f"The cloud's CRS does not say the unit of its heights; {_unit_name(flat)} is taken, as for x and y."
            warnings = (*warnings, said)
    if abs(stretch - 1) > _STRETCH:
        said = f"The cloud's CRS stretches lengths {stretch:.2f} times here; metres on the ground are reckoned."
        warnings, xy_unit_m = (*warnings, said), xy_unit_m / stretch
    return CloudCrs(crs, wkt or wkt_of(crs), xy_unit_m, z_unit_m, warnings)


def _stretch(crs: pyproj.CRS, bounds_source: tuple[float, ...]) -> float:
    """How many units of length Mercator has for one on the ground in the middle of the bounds, 1.5 at 48 degrees; else 1."""
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else ""
    if "Mercator" not in method or any(word in method for word in ("Transverse", "Oblique")):
        return 1.0
    x, y = ((bounds_source[axis] + bounds_source[axis + 3]) / 2 for axis in range(2))
    try:
        to_degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
        longitude, latitude = to_degrees.transform(x, y, errcheck=True)
        factors = pyproj.Proj(crs).get_factors(longitude, latitude, errcheck=True)
        stretch = math.sqrt(factors.meridional_scale * factors.parallel_scale)
    except (ProjError, CRSError):
        # Coordinates that are nowhere on the globe.
        return 1.0
    return stretch if math.isfinite(stretch) and 0.01 < stretch < 100 else 1.0


def wkt_of(crs: pyproj.CRS) -> str:
    """WKT 1, which LAS asks for and every reader knows; WKT 2 for what WKT 1 cannot say."""
    try:
        return crs.to_wkt(WktVersion.WKT1_GDAL)
    except CRSError:
        return crs.to_wkt(WktVersion.WKT2_2019)


def horizontal_crs(crs: pyproj.CRS) -> pyproj.CRS:
    """The part for x and y of a compound or bound CRS."""
    while True:
        if crs.is_compound:
            crs = crs.sub_crs_list[0]
        elif crs.is_bound and crs.source_crs is not None:
            crs = crs.source_crs
        else:
            return crs


def _vertical_factor(crs: pyproj.CRS) -> float | None:
    """Metres a unit of height; None where the CRS has no third axis."""
    if crs.is_bound and crs.source_crs is not None:
        return _vertical_factor(crs.source_crs)
    if crs.is_compound:
        heights = [part for part in crs.sub_crs_list[1:] if part.axis_info]
        return _factor(heights[0], 0) if heights else None
    return _factor(crs, 2) if len(crs.axis_info) > 2 else None


def _factor(crs: pyproj.CRS, axis: int) -> float:
    if len(crs.axis_info) <= axis:
        return 1.0
    factor = float(crs.axis_info[axis].unit_conversion_factor)
    return factor if math.isfinite(factor) and factor > 0 else 1.0


def _unit_name(crs: pyproj.CRS) -> str:
    return crs.axis_info[0].unit_name if crs.axis_info else "metre"


def _reproject(crs: pyproj.CRS, bounds_source: tuple[float, ...], name: str) -> str:
    what = "geocentric" if crs.is_geocentric else "in degrees"
    authority = crs.to_authority()
    called = f" ({':'.join(authority)})" if authority else ""
    target = "EPSG:CODE"
    if crs.is_geographic:
        zone = _utm_zone(bounds_source)
        target = zone or target
    return (
        f"The coordinates of '{name}' are {what}{called}: reproject it to a CRS in metres first, with 'Reproject' among "
        f"QGIS's point cloud algorithms or 'pdal translate IN OUT reprojection --filters.reprojection.out_srs={target}'."
    )


def _utm_zone(bounds_source: tuple[float, ...]) -> str:
    """The UTM zone of the middle of bounds in degrees, "" where they are no such bounds."""
    longitude = (bounds_source[0] + bounds_source[3]) / 2
    latitude = (bounds_source[1] + bounds_source[4]) / 2
    if not (abs(longitude) <= 180 and abs(latitude) <= 84):
        return ""
    zone = min(60, int((longitude + 180) // 6) + 1)
    return f"EPSG:{(32600 if latitude >= 0 else 32700) + zone}"


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", errors="replace").strip()


def parsed_crs(wkt: str) -> pyproj.CRS | None:
    """The CRS of a text that others wrote; None where it cannot be understood."""
    try:
        return pyproj.CRS.from_user_input(wkt)
    except CRSError:
        return None
