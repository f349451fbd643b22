"""`cityseg doctor` classifies a real little cloud, and says so when the answer is wrong."""

from __future__ import annotations

import pytest

from inference_backend import doctor
from inference_backend.models import cloud_registry
from tests.data.rule_cloud_model import RuleCloudModel


@pytest.fixture
def rules(monkeypatch):
    monkeypatch.setattr(cloud_registry, "get_cloud_model", lambda name, device: RuleCloudModel())


def test_a_house_on_a_lawn_is_told_right(rules):
    found = doctor.classify_a_house("cpu")
    assert found.problems == []
    assert "ground 100%" in found.rows["cloud"] or "ground 9" in found.rows["cloud"]


def test_a_model_that_sees_roofs_everywhere_is_a_problem(monkeypatch):
    class Roofs(RuleCloudModel):
        def answers(self, block):
            return {"flat roof": block.hag_m > -1000}

    monkeypatch.setattr(cloud_registry, "get_cloud_model", lambda name, device: Roofs())
    [problem] = doctor.classify_a_house("cpu").problems
    assert "0% ground" in problem


def test_the_libraries_of_point_clouds_are_told():
    rows = doctor.versions().rows
    assert {"laspy", "lazrs"} <= set(rows)
