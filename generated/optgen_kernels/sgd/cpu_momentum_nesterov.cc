// Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).
//
//     trace' = g + momentum*trace
//     trace_2 = g + momentum*trace'
//     p' = p - learning_rate*trace_2
//
// Emitted for nesterov=True, accumulator_dtype=None.
//
// Emitted by optgen: change the rule, not this file. Each function is a kernel of the sequences in
// the tables beside it; the launch code that cuts leaves into tiles, and combines what tiles leave
// of reductions, is in optgen_launch.h. A function of tiles serves matrices in either order in
// memory: what it computes for each row, and for each column, stands before its loop over elements.

#include "optgen_launch.h"

// What is the same for every leaf.
struct optgen::Scalars {
  double minus_learning_rate;
  double momentum;
};
using optgen::Scalars;

// Reads g, p, trace; writes p, trace.
static void leaf_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict trace_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto momentum = static_cast<Real>(scalars.momentum);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto trace = trace_data[i];
    const auto trace_next = g + momentum * trace;
    const auto trace_2 = g + momentum * trace_next;
    p_data[i] = p + minus_learning_rate * trace_2;
    trace_data[i] = trace_next;
  }
}

// The kernels, in the order in which the tables name them.
static const optgen::Kernel kernels[] = {
    {.vector = optgen::declare<leaf_step>()},
};

OPTGEN_EXPORT const char* optgen_launch(const optgen_call* call) {
  Scalars scalars{};
  return optgen::launch(call, kernels, scalars);
}
