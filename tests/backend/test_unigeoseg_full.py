"""The full UniGeoSeg: the paper's sizes part by part, answers on random weights, and folders of weights."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from inference_backend.errors import InvalidInput
from inference_backend.models import registry
from inference_backend.models.base import TextQuery
from inference_backend.prompts import Prompt
from inference_backend.weights import store

pytest.importorskip("transformers", reason="the optional packages of requirements/full.in")

from inference_backend.models.unigeoseg.full.adapter import (  # noqa: E402
    Canvas,
    FullUniGeoSeg,
    said,
)
from inference_backend.models.unigeoseg.full.folder import Speech, load_folder  # noqa: E402
from inference_backend.models.unigeoseg.full.key_names import rules, translate  # noqa: E402
from inference_backend.models.unigeoseg.full.network import Instruction, build  # noqa: E402
from inference_backend.models.unigeoseg.full.shapes import FullShapes  # noqa: E402
from scripts.random_unigeoseg_full import SMALL, random_full  # noqa: E402

TASKS = ("referring", "reasoning", "interactive")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("CITYSEG_HOME", str(tmp_path / "home"))
    yield
    registry.release()


@pytest.fixture(scope="module")
def net():
    return random_full(SMALL)


@pytest.fixture(scope="module")
def seen(net):
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return net.see(image)


def _asked(task: str, at: float = 0.4, words: int = 6) -> Instruction:
    places = torch.tensor([[at, 0.5, 0.0, 0.0]])
    return Instruction(
        torch.arange(5), torch.arange(9, 13), torch.arange(20, 20 + words), task, places
    )


def _answer(net, seen, asked) -> torch.Tensor:
    with torch.inference_mode():
        return net.answer(seen, asked)


def test_every_part_has_the_size_of_the_paper():
    full = build(FullShapes())
    count = {
        name: sum(p.numel() for p in part.parameters()) for name, part in full.named_children()
    }
    assert count["backbone"] / 1e6 == pytest.approx(87, abs=0.5)
    assert count["connector"] / 1e6 == pytest.approx(62, abs=0.5)
    assert count["llm"] / 1e9 == pytest.approx(1.42, abs=0.01)
    assert count["tate"] / 1e6 == pytest.approx(21, abs=0.1)
    assert count["memory"] == 4 * 2048
    assert full.shapes.channels == (128, 256, 512, 1024)
    assert len(full.mask_decoder.layers.layers) == 9
    assert len(full.pixel_decoder.encoder.layers) == 6
    tokens = full.connector(torch.zeros(1, 1024, 16, 16, device="meta"))
    assert tokens.shape == (1, 64, 2048)
    levels = [torch.zeros(1, 256, side, side, device="meta") for side in (16, 32, 64)]
    features = torch.zeros(1, 256, 128, 128, device="meta")
    query = torch.zeros(1, 256, device="meta")
    assert full.mask_decoder(query, levels, features).shape == (1, 128, 128)


def test_every_task_answers_and_each_in_its_own_way(net, seen):
    assert seen["mask_features"].shape == (1, 32, 32, 32)
    assert seen["tokens"].shape == (1, 4, 64)
    answers = [_answer(net, seen, _asked(task)) for task in TASKS]
    for answer in answers:
        assert answer.shape == (32, 32)
        assert answer.isfinite().all()
        assert answer.std() > 0
    assert not torch.allclose(answers[0], answers[1])
    assert not torch.allclose(answers[1], answers[2])


def test_half_precision_gives_numbers_at_the_size_of_the_image_in_the_paper():
    """The pixel decoder gives none in bfloat16 there, and stays in float32."""
    net = random_full(replace(SMALL, image_px=512, query_width=256, pixel_layers=6), torch.bfloat16)
    assert net.llm.lm_head.weight.dtype == torch.bfloat16
    with torch.inference_mode():
        seen = net.see(torch.randn(1, 3, 512, 512).bfloat16())
        assert all(kept.isfinite().all() for kept in seen.values())
        assert net.answer(seen, _asked("referring")).isfinite().all()


def test_positions_and_words_matter_where_they_should(net, seen):
    for task in TASKS:
        moved = torch.equal(
            _answer(net, seen, _asked(task)), _answer(net, seen, _asked(task, at=0.9))
        )
        assert moved == (task != "interactive")
        assert not torch.allclose(
            _answer(net, seen, _asked(task)), _answer(net, seen, _asked(task, words=3))
        )


def test_the_memory_speaks_of_all_but_positions(net, seen):
    kept = net.memory.slots.clone()
    before = [_answer(net, seen, _asked(task)) for task in TASKS]
    with torch.no_grad():
        net.memory.slots.add_(1.0)
    after = [_answer(net, seen, _asked(task)) for task in TASKS]
    with torch.no_grad():
        net.memory.slots.copy_(kept)
    assert [torch.equal(*pair) for pair in zip(before, after, strict=True)] == [False, False, True]


def test_the_enhancement_may_be_on_the_words_before(net, seen):
    given = net.shapes
    here = [_answer(net, seen, _asked(task)) for task in TASKS]
    net.shapes = replace(given, tate_on="template")
    there = [_answer(net, seen, _asked(task)) for task in TASKS]
    net.shapes = given
    assert not any(torch.allclose(*pair) for pair in zip(here, there, strict=True))


def _as_published(state: dict[str, torch.Tensor], heads: int) -> dict[str, torch.Tensor]:
    """Our tensors under the names of the libraries that the published model is built of, fused as they are there."""
    found, swin, decoder = {}, "backbone.swin.encoder.layers", "mask_decoder.layers.layers"
    fused: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in state.items():
        for part in ("q_proj", "k_proj", "v_proj"):
            if f".{part}." in name and "cross_attn" not in name:
                whole, kind = name.split(f".{part}.")
                fused.setdefault(f"{whole}|{kind}", {})[part] = tensor
                break
        else:
            found[name] = tensor
    for name, parts in fused.items():
        whole, kind = name.split("|")
        q, k, v = (parts[p] for p in ("q_proj", "k_proj", "v_proj"))
        if whole.startswith("llm"):
            wide = len(q) // heads
            rows = [x[h * wide : (h + 1) * wide] for h in range(heads) for x in (q, k, v)]
            found[f"{whole.removeprefix('llm.')}.query_key_value.{kind}"] = torch.cat(rows)
        elif whole.startswith(swin):
            middle = whole.removeprefix(f"{swin}.").removesuffix(".attention")
            found[f"model.vision_tower.layers.{middle}.attn.qkv.{kind}"] = torch.cat([q, k, v])
        else:
            layer = whole.removeprefix(f"{decoder}.").split(".")[0]
            prefix = f"model.predictor.transformer_self_attention_layers.{layer}.self_attn"
            found[f"{prefix}.in_proj_{kind}"] = torch.cat([q, k, v])
    plain = {
        "backbone.swin.embeddings.patch_embeddings.projection.": "model.vision_tower.patch_embed.proj.",
        "backbone.hidden_states_norms.stage4.": "model.vision_tower.norm3.",
        "pixel_decoder.input_projections.": "model.pixel_decoder.input_proj.",
        "mask_decoder.layers.layernorm.": "model.predictor.decoder_norm.",
        "mask_decoder.layers.mask_predictor.mask_embedder.2.0.": "model.predictor.mask_embed.layers.2.",
        "llm.model.": "model.",
        "llm.lm_head.": "lm_head.",
    }
    for ours, theirs in plain.items():
        found = {theirs + n[len(ours) :] if n.startswith(ours) else n: t for n, t in found.items()}
    return found


def test_published_names_become_ours(net):
    state = net.state_dict()
    published = _as_published(state, SMALL.llm_heads)
    assert len(set(published) & set(state)) < 0.75 * len(state)
    found = translate(
        {**published, "model.rotary_emb.inv_freq": torch.zeros(2), "strange.part": torch.zeros(1)},
        state,
        SMALL.llm_heads,
    )
    assert found.unexpected == ["strange.part"]
    assert found.unused == ["model.rotary_emb.inv_freq"]
    assert set(found.tensors) == set(state)
    for name, tensor in state.items():
        assert torch.equal(found.tensors[name], tensor), name
    assert found.marks["inferred"] > 20


def test_every_rule_says_how_sure_it_is_and_where_it_leads():
    ours = {
        "".join(c if not c.isdigit() else "N" for c in name)
        for name in build(FullShapes()).state_dict()
    }
    for rule in rules():
        assert rule.mark in ("verified", "inferred", "unknown")
        assert rule.how in ("same", "split", "split_by_head")
        assert rule.to.split(".")[0] in {name.split(".")[0] for name in ours} | {"{1}"}


@pytest.fixture
def folder(net, tmp_path):
    """A folder as it would be published, of a small network."""
    folder = tmp_path / "unigeoseg"
    folder.mkdir()
    sizes = {k: v for k, v in asdict(SMALL).items() if v != getattr(FullShapes(), k)}
    hidden = sizes.pop("llm_hidden")
    (folder / "config.json").write_text(json.dumps({"hidden_size": hidden, "unigeoseg": sizes}))
    words = ["[UNK]", "[SEG]", "the", "largest", "building", "Segment", "point", "box"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    published = _as_published(net.state_dict(), SMALL.llm_heads)
    names = sorted(published)
    for number, part in enumerate((names[::2], names[1::2])):
        tensors = {name: published[name].contiguous().clone() for name in part}
        save_file(tensors, folder / f"model-{number}.safetensors")
    return folder


def test_a_folder_answers_as_the_network_it_was_written_from(folder, net):
    loaded, report = load_folder(folder, torch.float32)
    assert report.missing == report.unexpected == ()
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(4))
    for task in TASKS:
        with torch.inference_mode():
            expected, found = (n.answer(n.see(image), _asked(task)) for n in (net, loaded))
        assert torch.allclose(found, expected, atol=1e-5)


def test_half_a_network_is_refused_with_the_names(folder):
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(InvalidInput, match="parts are missing") as caught:
        load_folder(folder, torch.float32)
    assert " missing: " in caught.value.detail
    save_file({"odd.name": torch.zeros(2)}, folder / "model-1.safetensors")
    with pytest.raises(InvalidInput, match="1 are unknown") as caught:
        load_folder(folder, torch.float32)
    assert "odd.name" in caught.value.detail
    (folder / "config.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"config\.json cannot be read"):
        load_folder(folder, torch.float32)


def test_a_folder_without_a_fit_tokenizer_says_so(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InvalidInput, match=r"has no tokenizer\.json"):
        Speech(folder)
    Tokenizer(models.WordLevel({"[UNK]": 0}, "[UNK]")).save(str(folder / "tokenizer.json"))
    with pytest.raises(InvalidInput, match=r"does not know \[SEG\]"):
        Speech(folder)


def test_a_folder_is_a_model_by_its_path_and_by_a_name(folder):
    store.register("asked", folder)
    model = registry.get("asked", "cpu")
    assert isinstance(model, FullUniGeoSeg)
    assert model.card.id == "asked"
    assert model.card.prompts == ("point", "box", "text")
    assert registry.card(str(folder)).available
    rgb = np.random.default_rng(0).integers(0, 255, (90, 150, 3)).astype(np.uint8)
    embedding = model.embed(rgb, key="k")
    queries = [TextQuery("the largest building"), TextQuery("the largest building", "reasoning")]
    answers = model.predict_text(embedding, queries)
    for answer in answers:
        assert answer.probability.shape == (90, 150)
        assert answer.probability.dtype == np.float32
        assert 0 <= answer.score <= 1
        assert answer.presence == answer.probability.max()
    assert not np.array_equal(answers[0].probability, answers[1].probability)
    box = Prompt("box", np.array([[10.0, 10], [50, 40]]))
    other = Prompt("box", np.array([[90.0, 10], [130, 40]]))
    (one,), (two,) = model.predict(embedding, [box]), model.predict(embedding, [other])
    assert one.probability.shape == (90, 150)
    assert not np.array_equal(one.probability, two.probability)


def test_without_transformers_the_card_says_what_to_install(folder, monkeypatch):
    lacks = registry._importable
    monkeypatch.setattr(registry, "_importable", lambda m: m != "transformers" and lacks(m))
    card = registry.card(str(folder))
    assert not card.available
    with pytest.raises(InvalidInput, match=r"needs the Python package 'transformers'.*full\.in"):
        registry.get(str(folder), "cpu")


def test_positions_are_said_on_the_square_of_the_network():
    canvas = Canvas.of(100, 200, 512)
    assert (canvas.left, canvas.top, canvas.columns, canvas.rows) == (0, 128, 512, 256)
    text, places = said([Prompt("point", np.array([[100.0, 50.0]]), text="roof")], canvas)
    assert text == "Segment the target roof at the point [0.5,0.5]."
    assert places.tolist() == [[0.5, 0.5, 0, 0]]
    text, places = said([Prompt("box", np.array([[0.0, 0], [200, 100]]))], canvas)
    assert "x0,y0=[0.0,0.25], x1,y1=[1.0,0.75]" in text
    assert places.tolist() == [[0.0, 0.25, 1.0, 0.75]]
    rgb = np.zeros((100, 200, 3), np.uint8)
    rgb[30:60, 120:180] = 255
    back = canvas.cut(torch.from_numpy(canvas.place(rgb)[..., 0] / 255), 100, 200)
    assert np.array_equal(back > 0.5, rgb[..., 0] > 0)
    removal = Prompt("point", np.array([[1.0, 1.0]]), 0)
    with pytest.raises(InvalidInput, match="points and boxes that add"):
        said([removal], canvas)
    with pytest.raises(InvalidInput, match="3 points at most"):
        said([Prompt("point", np.array([[float(k), 1.0]])) for k in range(4)], canvas)
