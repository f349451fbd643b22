"""Cleaning: the bound holds, specks and spurs go, the frame is right, areas are ground areas."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from shapely import MultiPolygon, Point, Polygon, box
from shapely.affinity import affine_transform

from inference_backend.imagery.ground import GroundMetres
from inference_backend.vector.clean import clean, clean_all, drop_spurs
from inference_backend.vector.contour import polygonize
from inference_backend.vector.measure import area_m2, perimeter_m
from inference_backend.vector.simplify import simplify

UTM = pyproj.CRS("EPSG:32632")
GRIDS = {
    "north-up": Affine(0.5, 0, 5e5, 0, -0.5, 5e6),
    "south-up": Affine(0.5, 0, 5e5, 0, 0.5, 5e6),
    "rotated": Affine.translation(5e5, 5e6) * Affine.rotation(33) * Affine.scale(0.5, -0.5),
    "oblong": Affine(0.8, 0, 5e5, 0, -0.3, 5e6),
}


def blobs(seed: int, sigma: float, side: int = 60) -> shapely.Geometry:
    noise = ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal((side, side)), sigma
    )
    return polygonize(noise / noise.std(), 0.3)


def farthest(one: shapely.Geometry, other: shapely.Geometry) -> float:
    """Greatest distance from a boundary, in steps of a tenth, to the other boundary."""
    steps = shapely.points(shapely.get_coordinates(shapely.segmentize(one.boundary, 0.1)))
    return float(shapely.distance(steps, other.boundary).max())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.8, 4), st.floats(0.2, 3))
def test_simplification_keeps_within_its_bound_both_ways(seed, sigma, tolerance):
    shape = blobs(seed, sigma)
    simpler = simplify(shape, tolerance)
    assert simpler.is_valid
    assert shapely.get_num_coordinates(simpler) <= shapely.get_num_coordinates(shape)
    assert farthest(shape, simpler) <= tolerance + 1e-6
    assert farthest(simpler, shape) <= tolerance + 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(GRIDS)))
def test_the_bound_is_in_ground_metres_in_every_frame(seed, grid):
    transform, tolerance_m = GRIDS[grid], 0.3
    shape = blobs(seed, 3)
    cleaned = clean(
        shape, transform, tolerance_m, metres=GroundMetres.at(UTM, 5e5, 5e6), spur_width_m=0
    )
    t = transform
    placed = affine_transform(shape, [t.a, t.b, t.d, t.e, t.c, t.f])
    assert cleaned.is_valid
    assert farthest(cleaned, placed) <= tolerance_m + 1e-5
    assert farthest(placed, cleaned) <= tolerance_m + 1e-5


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.floats(0.6, 4),
    st.floats(0, 4),
    st.floats(0, 30),
    st.sampled_from(sorted(GRIDS)),
)
def test_whatever_is_cleaned_is_valid_and_keeps_its_minimum(seed, sigma, tolerance, min_area, grid):
    metres = GroundMetres.at(UTM, 5e5, 5e6)
    cleaned = clean(blobs(seed, sigma), GRIDS[grid], tolerance, min_area, metres=metres)
    assert cleaned.is_valid
    for part in shapely.get_parts(cleaned):
        assert part.is_empty or part.area >= min_area - 1e-6
        assert part.is_empty or part.exterior.is_ccw


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(GRIDS)))
def test_many_at_once_are_cleaned_as_each_alone(seed, grid):
    """Also specks that go, rings that cross themselves once simplified, and outlines of several parts."""
    metres = GroundMetres.at(UTM, 5e5, 5e6)
    shapes = [blobs(seed + k, sigma) for k, sigma in enumerate((0.7, 1.5, 3.0))]
    shapes += list(shapely.get_parts(shapes[1])) + [Polygon()]
    many = np.empty(len(shapes), dtype=object)
    many[:] = shapes
    together = clean_all(many, GRIDS[grid], 0.4, 2.0, metres=metres)
    assert len(together) == len(shapes)
    for shape, found in zip(shapes, together):
        alone = clean(shape, GRIDS[grid], 0.4, 2.0, metres=metres)
        assert found.geom_type == alone.geom_type
        assert found.symmetric_difference(alone).area < 1e-6


def test_a_mitred_buffer_that_crosses_itself_stops_nothing():
    """Found by chance: shrunk and grown again, this one comes out invalid."""
    metres = GroundMetres.at(UTM, 5e5, 5e6)
    cleaned = clean(blobs(1781, 3.25), GRIDS["oblong"], 1.5, metres=metres)
    assert cleaned.is_valid
    assert cleaned.area == pytest.approx(366.6, abs=0.5)


def test_a_blurred_square_keeps_its_area_and_loses_its_pixels():
    field = np.zeros((60, 60))
    field[10:50, 10:50] = 1
    contour = polygonize(ndimage.uniform_filter(field, 3))
    cleaned = clean(contour, Affine.identity())
    assert len(contour.exterior.coords) > 150
    assert len(cleaned.exterior.coords) - 1 <= 12
    assert cleaned.area == pytest.approx(1600, rel=0.005)


def test_specks_and_pinholes_go_and_the_rest_stays():
    shape = MultiPolygon(
        [
            box(0, 0, 20, 20).difference(box(3, 3, 4, 4)).difference(box(10, 10, 15, 15)),
            box(30, 30, 31, 31),
        ]
    )
    grid = GRIDS["north-up"]
    metres = GroundMetres.at(UTM, 5e5, 5e6)
    cleaned = clean(shape, grid, 0.1, min_area_m2=1.0, metres=metres)
    assert cleaned.geom_type == "Polygon"
    assert len(cleaned.interiors) == 1
    assert cleaned.area == pytest.approx((400 - 25) * 0.25)
    holes_kept = clean(shape, grid, 0.1, min_area_m2=1.0, min_hole_m2=0, metres=metres)
    assert len(holes_kept.interiors) == 2


def test_nothing_left_is_empty_and_no_error():
    assert clean(box(0, 0, 1, 1), Affine.identity(), 0.1, min_area_m2=5).is_empty
    assert clean(Polygon(), Affine.identity()).is_empty


def test_a_spur_goes_and_corners_stay():
    roof = box(0, 0, 40, 30)
    spur = box(40, 14, 60, 14.6)
    cleaned = drop_spurs(roof.union(spur), 1.0)
    assert cleaned.symmetric_difference(roof).area < 0.5
    corner = Polygon([(0, 0), (40, 0), (0, 12)])
    assert drop_spurs(corner, 1.0).equals(corner)


def test_a_neck_between_two_roofs_is_cut():
    shape = box(0, 0, 20, 20).union(box(30, 0, 50, 20)).union(box(20, 9.8, 30, 10.3))
    cleaned = drop_spurs(shape, 1.0)
    assert cleaned.geom_type == "MultiPolygon"
    assert cleaned.area == pytest.approx(800, abs=1)


def test_what_is_thin_as_a_whole_is_no_spur():
    fence = box(0, 0, 80, 0.6)
    assert drop_spurs(fence, 1.0).equals(fence)


@pytest.mark.parametrize(
    ("epsg", "x", "y", "relative"),
    [
        (32632, 500_000, 5_000_000, 1e-3),
        (2263, 980_000, 200_000, 1e-3),
        (3857, 1.0e6, 8.4e6, 5e-3),
        (4326, 9, 60, 5e-3),
    ],
    ids=["utm", "feet", "mercator", "degrees"],
)
def test_a_hectare_is_a_hectare_in_every_crs(epsg, x, y, relative):
    """A square of 100 ground metres, built by the geodesic from (x, y)."""
    crs = pyproj.CRS(epsg)
    to_lonlat = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    geod = crs.get_geod()
    lon, lat = to_lonlat.transform(x, y)
    corners = [(lon, lat)]
    for azimuth in (90, 0, 270):
        corners.append(geod.fwd(*corners[-1], azimuth, 100)[:2])
    square = Polygon([to_lonlat.transform(*corner, direction="INVERSE") for corner in corners])
    assert area_m2(square, crs) == pytest.approx(10_000, rel=relative)
    assert perimeter_m(square, crs) == pytest.approx(400, rel=relative)
    step = GroundMetres.at(crs, x, y).matrix @ (np.array(square.exterior.coords[1]) - (x, y))
    assert np.hypot(*step) == pytest.approx(100, rel=relative)


def test_holes_count_in_area_and_perimeter():
    ring = box(0, 0, 10, 10).difference(box(4, 4, 6, 6))
    assert area_m2(ring, UTM) == pytest.approx(96)
    assert perimeter_m(ring, UTM) == pytest.approx(48)
    degrees = affine_transform(ring, [1e-5, 0, 0, 1e-5, 9, 60])
    whole = affine_transform(box(0, 0, 10, 10), [1e-5, 0, 0, 1e-5, 9, 60])
    crs = pyproj.CRS(4326)
    assert area_m2(degrees, crs) / area_m2(whole, crs) == pytest.approx(0.96, rel=1e-4)
    assert perimeter_m(degrees, crs) / perimeter_m(whole, crs) == pytest.approx(1.2, rel=1e-4)


def test_without_a_crs_units_are_the_source_s_own():
    assert area_m2(box(0, 0, 3, 2), None) == 6
    assert not GroundMetres.at(None, 0, 0).known
    assert area_m2(Point(1, 1).buffer(0), UTM) == 0
