"""What a cloud's units are: from WKT, from GeoTIFF keys, from the user; degrees are refused, feet are metres' fractions."""

from __future__ import annotations

import struct
from pathlib import Path

import laspy
import numpy as np
import pytest
from pyproj import CRS

from inference_backend.errors import InvalidInput
from inference_backend.points.cloud import CloudInfo
from inference_backend.points.geokeys import crs_of_geokeys
from inference_backend.points.open import open_cloud
from tests.data import clouds

FOOT, SURVEY_FOOT = 0.3048, 1200 / 3937
NEW_YORK = (987_000.0, 194_000.0, 0.0)


def opened(path: Path, crs: str | None = None) -> CloudInfo:
    with open_cloud(path, crs) as cloud:
        return cloud.info


def geokeys(*keys: tuple[int, int]) -> dict[int, bytes]:
    """A directory of keys with a value each."""
    entries = b"".join(struct.pack("<4H", key, 0, 1, value) for key, value in keys)
    return {34735: struct.pack("<4H", 1, 1, 0, len(keys)) + entries}


@pytest.mark.parametrize(
    ("crs", "version", "point_format", "origin", "xy", "z"),
    [
        ("EPSG:2154", "1.2", 1, clouds.ORIGIN, 1.0, 1.0),
        ("EPSG:2154", "1.4", 6, clouds.ORIGIN, 1.0, 1.0),
        ("EPSG:2263", "1.2", 1, NEW_YORK, SURVEY_FOOT, SURVEY_FOOT),
        ("EPSG:2263", "1.4", 6, NEW_YORK, SURVEY_FOOT, SURVEY_FOOT),
        ("EPSG:2263+6360", "1.4", 6, NEW_YORK, SURVEY_FOOT, SURVEY_FOOT),
        # In the old header laspy writes the code of the compound CRS where a projected one belongs.
        ("EPSG:2263+6360", "1.2", 1, NEW_YORK, SURVEY_FOOT, SURVEY_FOOT),
        ("EPSG:2263+5703", "1.4", 6, NEW_YORK, SURVEY_FOOT, 1.0),
        ("EPSG:2992", "1.2", 1, (800_000.0, 800_000.0, 0.0), FOOT, FOOT),
        ("EPSG:2056+5728", "1.4", 6, (2_600_000.0, 1_200_000.0, 400.0), 1.0, 1.0),
    ],
)
def test_units_follow_the_axes(
    tmp_path: Path,
    crs: str,
    version: str,
    point_format: int,
    origin: tuple[float, float, float],
    xy: float,
    z: float,
) -> None:
    clouds.make_las(tmp_path / "cloud.laz", point_format, version, crs=crs, origin=origin)
    info = opened(tmp_path / "cloud.laz")
    assert (info.xy_unit_m, info.z_unit_m) == pytest.approx((xy, z), rel=1e-12)
    assert info.crs is not None
    assert CRS.from_wkt(info.crs_wkt).equals(info.crs) or CRS(crs).name == info.crs.name
    assumed = any("heights" in said for said in info.warnings)
    assert assumed == (xy != 1.0 and "+" not in crs)


def test_the_wkt_of_the_file_is_kept_letter_by_letter(tmp_path: Path) -> None:
    clouds.make_las(tmp_path / "cloud.las", 6, "1.4")
    with laspy.open(tmp_path / "cloud.las") as file:
        written = file.header.vlrs.get("WktCoordinateSystemVlr")[0].string
    assert opened(tmp_path / "cloud.las").crs_wkt == written


def test_no_crs_is_metres_and_is_said(tmp_path: Path) -> None:
    clouds.make_las(tmp_path / "cloud.las", crs=None)
    info = opened(tmp_path / "cloud.las")
    assert (info.crs, info.crs_wkt, info.xy_unit_m, info.z_unit_m) == (None, "", 1.0, 1.0)
    assert "no CRS" in info.warnings[0]


@pytest.mark.parametrize(("version", "point_format"), [("1.2", 1), ("1.4", 6)])
def test_the_users_crs_wins_and_goes_into_the_header(
    tmp_path: Path, version: str, point_format: int
) -> None:
    path = tmp_path / "cloud.laz"
    clouds.make_las(path, point_format, version, crs="EPSG:4326", origin=NEW_YORK)
    with open_cloud(path, "EPSG:2263") as cloud:
        assert cloud.info.crs == CRS(2263)
        assert cloud.info.xy_unit_m == pytest.approx(SURVEY_FOOT)
        assert cloud.header.parse_crs().to_epsg() == 2263
        assert len(cloud.header.vlrs.get_by_id("LASF_Projection")) == (2 if version == "1.2" else 1)


@pytest.mark.parametrize(("version", "point_format"), [("1.2", 1), ("1.4", 6)])
def test_degrees_are_refused_with_a_way_out(
    tmp_path: Path, version: str, point_format: int
) -> None:
    path = tmp_path / "cloud.las"
    place = {"origin": (2.3, 48.8, 30.0), "side": 0.01, "scale": 1e-7}
    clouds.make_las(path, point_format, version, crs="EPSG:4326", **place)
    with pytest.raises(InvalidInput, match="in degrees.*reproject.*EPSG:32631"):
        open_cloud(path)
    with pytest.raises(InvalidInput, match="geocentric"):
        open_cloud(path, "EPSG:4978")
    with pytest.raises(InvalidInput, match="no CRS that is known"):
        open_cloud(path, "EPSG:nonsense")


def test_mercator_is_reckoned_in_ground_metres(tmp_path: Path) -> None:
    clouds.make_las(tmp_path / "cloud.las", crs="EPSG:3857", origin=(253_000.0, 6_250_000.0, 40.0))
    info = opened(tmp_path / "cloud.las")
    # The cosine of 48.86 degrees, but for the ellipsoid.
    assert info.xy_unit_m == pytest.approx(np.cos(np.radians(48.86)), rel=0.003)
    assert info.z_unit_m == 1.0
    assert any("stretches" in said for said in info.warnings)


def test_wkt_that_is_none_falls_back_to_no_crs(tmp_path: Path) -> None:
    path = tmp_path / "cloud.las"
    clouds.make_las(path, 6, "1.4")
    clouds.patch(path, path.read_bytes().index(b"PROJCRS"), "<7s", b"NOTACRS")
    info = opened(path)
    assert info.crs is None
    assert any("cannot be understood" in said for said in info.warnings)


def test_keys_of_a_compound_crs() -> None:
    crs = crs_of_geokeys(geokeys((1024, 1), (3072, 2263), (4096, 6360)))
    assert crs is not None
    assert crs.is_compound
    assert [part.to_epsg() for part in crs.sub_crs_list] == [2263, 6360]


def test_heights_in_feet_beside_a_code_in_metres_are_feet() -> None:
    crs = crs_of_geokeys(geokeys((1024, 1), (3072, 2263), (4096, 5703), (4099, 9003)))
    assert crs is not None
    assert crs.sub_crs_list[1].axis_info[0].unit_conversion_factor == pytest.approx(SURVEY_FOOT)


def test_keys_of_a_projection_without_a_code() -> None:
    """Lambert 93 spelled out in doubles."""
    entries = [(1024, 0, 1), (2048, 0, 4171), (3072, 0, 32767), (3074, 0, 32767), (3075, 0, 8)]
    entries += [(3076, 0, 9001)]
    entries += [(key, 34736, at) for at, key in enumerate((3078, 3079, 3084, 3085, 3086, 3087))]
    raw = struct.pack("<4H", 1, 1, 0, len(entries))
    raw += b"".join(struct.pack("<4H", key, place, 1, value) for key, place, value in entries)
    doubles = struct.pack("<6d", 49.0, 44.0, 3.0, 46.5, 700_000.0, 6_600_000.0)
    crs = crs_of_geokeys({34735: raw, 34736: doubles})
    assert crs is not None
    assert crs.is_projected
    assert "Lambert" in crs.to_wkt("WKT1_GDAL")
    assert "6600000" in crs.to_wkt("WKT1_GDAL")


@pytest.mark.parametrize(
    "records",
    [
        {},
        {34735: b""},
        {34735: b"\1\0\1\0"},
        geokeys(),
        geokeys((1024, 1)),
        geokeys((1024, 1), (3072, 0)),
        geokeys((1024, 1), (3072, 31_000)),
        {34735: b"\xff" * 80, 34736: b"\1\2\3", 34737: b"\xff\0|"},
    ],
)
def test_keys_that_say_nothing(records: dict[int, bytes]) -> None:
    assert crs_of_geokeys(records) is None
