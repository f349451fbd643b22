"""Point clouds of procedural cities with the truth of every point: the same places as the scenes of images."""

from inference_backend.training.clouds.city import City, make_city
from inference_backend.training.clouds.leaves import LEAVES
from inference_backend.training.clouds.scan import LabelledCloud, make_cloud, scan
from inference_backend.training.clouds.survey import PLATFORMS, Survey, draw_survey

__all__ = [
    "LEAVES",
    "PLATFORMS",
    "City",
    "LabelledCloud",
    "Survey",
    "draw_survey",
    "make_city",
    "make_cloud",
    "scan",
]
