"""Labelled clouds for training, packed on disk: generated ones and the real tiles, each with its dataset profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_backend.models.cityseg.profiles_reader import Profile

GENERATED = "generated"
_PIECE_M, _THIN_PIECE_M = 160.0, 500.0
_LEAST_POINTS = 2_000
# Platform and the most points a m2; None as the simulation draws it.
_PLATFORMS = (("als", None), ("uav", 90.0), ("photo", 70.0))
_SHARES = (0.62, 0.2, 0.18)
# file pattern below the folder of the real sets, profile, survey
_REAL = (
    ("lidar/montpellier/*.laz", "montpellier", "montpellier"),
    ("lidar/870000_6618000*.las", "lastools", "bourgogne"),
    ("lidar/las_with_several_extra_byte_bloc.laz", "ign_lidar_hd", "plain"),
    ("lidar/decimated_laz_test_semis_*.laz", "ign_lidar_hd", "decimated"),
    ("lidar/amsterdam/ahn/*.laz", "ahn3", "amsterdam"),
)
HELD_OUT_SURVEYS = ("amsterdam",)
"""Never trained on: another country, another producer."""


@dataclass
class StoredCloud:
    """Points of one labelled piece. `xyz` float64 (N, 3) metres from the piece's corner; `label` uint8 codes of `profile`."""

    xyz: np.ndarray
    label: np.ndarray
    intensity: np.ndarray
    return_number: np.ndarray
    number_of_returns: np.ndarray
    rgb: np.ndarray | None
    profile: str
    survey: str

    def save(self, path: Path) -> None:
        """Coordinates in millimetres; temporary name first."""
        temporary = path.with_name(path.name + ".part")
        corner = self.xyz.min(0)
        with temporary.open("wb") as stream:
            np.savez(
                stream,
                xyz=np.round((self.xyz - corner) * 1000).astype(np.int32),
                label=self.label,
                intensity=self.intensity,
                returns=np.stack([self.return_number, self.number_of_returns]).astype(np.uint8),
                rgb=np.zeros((0, 3), np.uint8) if self.rgb is None else self.rgb,
                about=np.array([self.profile, self.survey]),
            )
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> StoredCloud:
        """What `save` wrote."""
        with np.load(path) as file:
            rgb = file["rgb"]
            returns = file["returns"]
            profile, survey = (str(value) for value in file["about"])
            return cls(
                file["xyz"] / 1000.0,
                file["label"],
                file["intensity"],
                returns[0],
                returns[1],
                rgb if len(rgb) else None,
                profile,
                survey,
            )

    def __len__(self) -> int:
        return len(self.xyz)


def store_generated(folder: Path, seeds: range, stopped: Callable[[], bool]) -> None:
    """Simulate the clouds of `seeds` that are not there yet; files `city-SEED.npz`. Most are airborne lidar."""
    from inference_backend.training.clouds.scan import make_cloud
    from inference_backend.training.scenes.scene import KINDS

    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        path = folder / f"city-{seed}.npz"
        if stopped():
            return
        if path.exists():
            continue
        rng = np.random.default_rng(seed)
        platform, most = _PLATFORMS[int(rng.choice(len(_PLATFORMS), p=_SHARES))]
        density = None if most is None else float(rng.uniform(0.3, 1) * most)
        # Every other city is of a kind by turns: what is rare among cities is not rare here.
        kind = None if seed % 2 else KINDS[seed // 2 % len(KINDS)]
        cloud = make_cloud(seed, platform=platform, density=density, kind=kind)
        StoredCloud(
            np.asarray(cloud.xyz, np.float64),
            # The profile counts from one: zero is "not labelled".
            (cloud.leaf + 1).astype(np.uint8),
            cloud.intensity,
            cloud.return_number,
            cloud.number_of_returns,
            cloud.rgb,
            GENERATED,
            cloud.platform,
        ).save(path)


def store_real(root: Path, folder: Path) -> None:
    """Cut the real surveys below `root` into pieces; files `real-SURVEY-NUMBER.npz`."""
    folder.mkdir(parents=True, exist_ok=True)
    for pattern, profile, survey in _REAL:
        # Tiles of the decimated survey are apart; those of Montpellier are one place.
        paths = sorted(root.glob(pattern))
        groups = [paths] if survey == "montpellier" else [[path] for path in paths]
        pieces = [piece for group in groups if group for piece in _pieces(group, profile, survey)]
        for number, piece in enumerate(pieces):
            piece.save(folder / f"real-{survey}-{number}.npz")


def _pieces(paths: list[Path], profile: str, survey: str) -> list[StoredCloud]:
    import laspy

    files = [laspy.read(path) for path in paths]

    def column(name: str) -> np.ndarray:
        return np.concatenate([np.asarray(las[name]) for las in files])

    xyz = np.concatenate([np.stack([las.x, las.y, las.z], 1) for las in files])
    rgb = None
    if "red" in files[0].point_format.dimension_names:
        rgb16 = np.stack([column("red"), column("green"), column("blue")], 1)
        rgb = (rgb16 * (255.0 / (255 if rgb16.max() < 256 else 65_535))).astype(np.uint8)
    area = float(np.prod(np.ptp(xyz[:, :2], axis=0)))
    # So that a piece holds enough points where there are few a square metre.
    side = _PIECE_M if len(xyz) / area > 2 else _THIN_PIECE_M
    cell = np.floor((xyz[:, :2] - xyz[:, :2].min(0)) / side).astype(int)
    code, intensity = column("classification").astype(np.uint8), column("intensity")
    returns, of = column("return_number"), column("number_of_returns")
    found = []
    for place in np.unique(cell, axis=0):
        rows = np.flatnonzero((cell == place).all(1))
        if len(rows) >= _LEAST_POINTS:
            colour = None if rgb is None else rgb[rows]
            about = (intensity[rows], returns[rows], of[rows], colour, profile, survey)
            found.append(StoredCloud(xyz[rows], code[rows], *about))
    return found


def label_table(profiles: list[str], seen: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """All distinct label sets (R, leaves) over the seen leaves, row 0 empty (nothing is known); and the row of each code (256,).

    A label that means hidden leaves alone stands for what is seen under their parent.
    """
    rows: dict[bytes, int] = {np.zeros(int(seen.sum()), bool).tobytes(): 0}
    of: dict[str, np.ndarray] = {}
    for name in profiles:
        table = widened(Profile.load(name).table, seen)
        of[name] = np.array([rows.setdefault(row.tobytes(), len(rows)) for row in table[:, seen]])
    sets = np.stack([np.frombuffer(key, bool) for key in rows])
    return sets, of


def widened(table: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """`table` bool (256, leaves) where sets without a seen leaf are widened to the nearest ancestor that has some."""
    from inference_backend.models.cityseg.label_graph import label_graph

    graph, out = label_graph(), table.copy()
    for row in np.flatnonzero(table.any(1) & ~(table & seen).any(1)):
        node = graph.leaves[int(np.flatnonzero(table[row])[0])]
        for above in graph.ancestors(node):
            below = graph.descendants[graph.index(above)]
            if (below & seen).any() and (below | ~table[row]).all():
                out[row] = below
                break
    return out
