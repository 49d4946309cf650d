"""Small kernels written by hand, and programs in processes of their own that run them."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp

from optgen.runtime.execution import cpu

ROOT = Path(__file__).parents[3]

SOURCE = r"""
#include <atomic>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "optgen_kernel.h"

namespace {
constexpr int64_t kBlock = 1000;

template <typename Body>
void parallel(const optgen_call* call, int64_t tasks, Body body) {
  call->pool->run(call->pool->self, tasks,
                  [](void* body, int64_t index) { (*static_cast<Body*>(body))(index); }, &body);
}
}  // namespace

// plan: the size of each argument; each result is twice its argument.
OPTGEN_EXPORT const char* twice(const optgen_call* call) {
  for (int64_t k = 0; k < call->n_arguments; ++k) {
    const float* x = static_cast<const float*>(call->arguments[k]);
    float* y = static_cast<float*>(call->results[k]);
    parallel(call, (call->plan[k] + kBlock - 1) / kBlock, [=](int64_t block) {
      for (int64_t i = block * kBlock; i < call->plan[k] && i < (block + 1) * kBlock; ++i) {
        y[i] = 2 * x[i];
      }
    });
  }
  return nullptr;
}

// plan: the size; the sum of blocks, so that it does not depend on the threads.
OPTGEN_EXPORT const char* sum(const optgen_call* call) {
  const float* x = static_cast<const float*>(call->arguments[0]);
  int64_t size = call->plan[0];
  std::vector<float> partial((size + kBlock - 1) / kBlock);
  parallel(call, static_cast<int64_t>(partial.size()), [&](int64_t block) {
    for (int64_t i = block * kBlock; i < size && i < (block + 1) * kBlock; ++i) {
      partial[block] += x[i];
    }
  });
  float total = 0;
  for (float part : partial) total += part;
  *static_cast<float*>(call->results[0]) = total;
  return nullptr;
}

// The plan itself, as the low and high halves of each number, after the numbers of things.
OPTGEN_EXPORT const char* echo(const optgen_call* call) {
  int32_t* out = static_cast<int32_t*>(call->results[0]);
  *out++ = static_cast<int32_t>(call->plan_size);
  *out++ = static_cast<int32_t>(call->n_arguments);
  *out++ = static_cast<int32_t>(call->n_results);
  *out++ = static_cast<int32_t>(call->pool->threads);
  std::memcpy(out, call->plan, call->plan_size * sizeof(int64_t));
  return nullptr;
}

// plan: how many tasks; how often each ran.
OPTGEN_EXPORT const char* count(const optgen_call* call) {
  std::vector<std::atomic<int32_t>> ran(call->plan[0]);
  parallel(call, call->plan[0], [&](int64_t index) { ran[index] += 1; });
  for (int64_t i = 0; i < call->plan[0]; ++i) {
    static_cast<int32_t*>(call->results[0])[i] = ran[i];
  }
  return nullptr;
}

// plan: how many tasks; a subnormal times one, as each task sees it.
OPTGEN_EXPORT const char* subnormal(const optgen_call* call) {
  const volatile float* tiny = static_cast<const float*>(call->arguments[0]);
  float* out = static_cast<float*>(call->results[0]);
  parallel(call, call->plan[0], [=](int64_t index) {
    volatile float slow = 0;
    for (int i = 0; i < 20000; ++i) slow = slow + 1;  // so that every thread gets some
    out[index] = tiny[0] * tiny[1];
  });
  return nullptr;
}

OPTGEN_EXPORT const char* refuse(const optgen_call*) { return "this kernel refuses"; }

OPTGEN_EXPORT const char* explode(const optgen_call* call) {
  parallel(call, 64, [](int64_t index) {
    if (index == 50) throw std::runtime_error("task 50 exploded");
  });
  return nullptr;
}
"""


def kernel(symbol: str) -> int:
    return cpu.entry(SOURCE, "by hand", symbol)


def twice(*arrays, in_place=True):
    return cpu.call(
        kernel("twice"),
        [array.size for array in arrays],
        arrays,
        [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in arrays],
        {i: i for i in range(len(arrays))} if in_place else {},
    )


def total(array):
    (result,) = cpu.call(
        kernel("sum"), [array.size], [array], [jax.ShapeDtypeStruct((), jnp.float32)], {}
    )
    return result


def integers(symbol: str, plan, size: int):
    result = jax.ShapeDtypeStruct((size,), jnp.int32)
    return cpu.call(kernel(symbol), plan, [], [result], {})[0]


def run_alone(program: str, *arguments: str, **environment: str) -> str:
    """Output of a program in a process of its own, with these environment variables."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
