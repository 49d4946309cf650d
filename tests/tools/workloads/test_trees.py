import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optgen.errors import UsageError
from optgen.tools import workloads
from optgen.tools.workloads import TREES, tree

PUBLISHED = {  # leaves, parameters
    "gpt2-small": (148, 124_439_808),
    "deep-300": (300, 1_495_680),
    "deep-1000": (1000, 4_985_600),
    "deep-2000": (2000, 9_971_200),
    "resnet50": (161, 25_557_032),
    "llama3-8b": (291, 8_030_261_248),
    "llama3-8b-layer": (9, 218_112_000),
    "matrix": (1, 4096 * 4096),
    "small": (10, 10 * 64 * 64),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_the_published_ones(name):
    found = tree(name)
    assert (workloads.leaves(found), workloads.parameters(found)) == PUBLISHED[name]


def test_every_tree_but_the_awkward_one_has_a_published_count():
    assert set(TREES) - set(PUBLISHED) == {"awkward"}


def test_gpt2_has_the_leaves_of_its_checkpoint():
    found = tree("gpt2-small")
    block = found["h"]["11"]
    assert found["wte"]["embedding"].shape == (50257, 768)
    assert found["wpe"]["embedding"].shape == (1024, 768)
    assert block["attn"]["c_attn"]["kernel"].shape == (768, 2304)
    assert block["attn"]["c_attn"]["bias"].shape == (2304,)
    assert block["mlp"]["c_fc"]["kernel"].shape == (768, 3072)
    assert block["mlp"]["c_proj"]["kernel"].shape == (3072, 768)


def test_resnet50_has_53_convolutions_in_hwio_order():
    kernels = [x.shape for x in jax.tree.leaves(tree("resnet50")) if len(x.shape) == 4]
    assert len(kernels) == 53
    assert (7, 7, 3, 64) in kernels
    assert kernels.count((3, 3, 512, 512)) == 3


def test_llama_shares_its_layer_with_the_whole():
    assert tree("llama3-8b")["layers"]["31"] == tree("llama3-8b-layer")


def test_awkward_covers_what_breaks_kernels():
    shapes = [x.shape for x in jax.tree.leaves(tree("awkward"))]
    assert () in shapes
    assert any(0 in shape for shape in shapes)
    assert {len(shape) for shape in shapes} == {0, 1, 2, 3, 4}
    assert any(len(s) == 2 and min(s) >= 128 for s in shapes), "nothing for Adafactor to factor"
    assert None in tree("awkward").values()


@pytest.mark.parametrize(
    ("text", "shape"), [("4096x4096", (4096, 4096)), ("7", (7,)), ("2x0x5", (2, 0, 5))]
)
def test_a_shape_is_one_leaf(text, shape):
    (leaf,) = jax.tree.leaves(tree(text, "bf16"))
    assert leaf == jax.ShapeDtypeStruct(shape, jnp.bfloat16)


@pytest.mark.parametrize("text", ["", "gpt3", "4096x", "x4", "4096*4096", "-3x4", "4x4.5", "4 x 4"])
def test_a_bad_shape_names_the_trees(text):
    with pytest.raises(UsageError) as error:
        tree(text)
    assert repr(text) in str(error.value)
    assert "gpt2-small" in str(error.value)
    assert "such as 4096x4096" in str(error.value)


@pytest.mark.parametrize("dtype", ["int8", "float", "", jnp.int32])
def test_a_bad_dtype_names_the_good_ones(dtype):
    with pytest.raises(UsageError, match="unknown dtype .*Give one of float32, f32, bfloat16"):
        tree("small", dtype)


def test_a_dtype_may_be_given_itself():
    assert tree("small", jnp.bfloat16) == tree("small", "bf16")


def test_nothing_is_allocated_until_asked():
    assert all(isinstance(x, jax.ShapeDtypeStruct) for x in jax.tree.leaves(tree("llama3-8b")))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_materialise_gives_the_shapes_and_the_same_values_again(dtype):
    shapes = tree("awkward", dtype)
    first, second = workloads.materialise(shapes), workloads.materialise(shapes)
    for leaf, a, b in zip(*map(jax.tree.leaves, (shapes, first, second)), strict=True):
        assert isinstance(a, np.ndarray)
        assert (a.shape, a.dtype) == (leaf.shape, leaf.dtype)
        np.testing.assert_array_equal(a, b)
        assert a.flags.writeable
        assert not np.shares_memory(a, b)


def test_seeds_leaves_and_rows_differ():
    small = workloads.materialise(tree("small"))
    assert not np.array_equal(small["layer_0"], small["layer_1"])
    assert not np.array_equal(
        small["layer_0"], workloads.materialise(tree("small"), seed=5)["layer_0"]
    )
    big = workloads.materialise(tree("2048x1024"))["matrix"]  # larger than the block of draws
    assert not np.array_equal(big[0], big[1024])


def test_gradients_are_longer_than_any_clipping_norm_of_the_cases():
    for name in ("matrix", "small"):
        leaves = jax.tree.leaves(workloads.gradients(tree(name)))
        assert sum(float(np.sum(np.square(x))) for x in leaves) ** 0.5 > 1


def test_tree_bytes_counts_each_dtype():
    assert workloads.tree_bytes({"a": tree("3x5", "bf16"), "b": tree("7")}) == 30 + 28
