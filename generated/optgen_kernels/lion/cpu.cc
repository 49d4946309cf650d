// Lion (Chen et al., 2023, arXiv:2302.06675).
//
// For leaves with mask None, or mask True:
//
//     direction = (1 - b1)*g + b1*mu
//     scale_by_lion = sign(direction)
//     add_decayed_weights = scale_by_lion + weight_decay*p
//     mu' = (1 - b2)*g + b2*mu
//     p' = p - learning_rate*add_decayed_weights
//
// For leaves with mask False:
//
//     direction = (1 - b1)*g + b1*mu
//     scale_by_lion = sign(direction)
//     mu' = (1 - b2)*g + b2*mu
//     p' = p - learning_rate*scale_by_lion
//
// Emitted for mu_dtype=None.
//
// Emitted by optgen: change the rule, not this file. Each function is a kernel of the sequences in
// the tables beside it; the launch code that cuts leaves into tiles, and combines what tiles leave
// of reductions, is in optgen_launch.h. A function of tiles serves matrices in either order in
// memory: what it computes for each row, and for each column, stands before its loop over elements.

#include "optgen_launch.h"

// What is the same for every leaf.
struct optgen::Scalars {
  double minus_learning_rate;
  double one_minus_b1;
  double b1;
  double weight_decay;
  double one_minus_b2;
  double b2;
};
using optgen::Scalars;

// Reads g, p, mu; writes p, mu.
static void leaf_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict mu_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto one_minus_b1 = static_cast<Real>(scalars.one_minus_b1);
  const auto b1 = static_cast<Real>(scalars.b1);
  const auto weight_decay = static_cast<Real>(scalars.weight_decay);
  const auto one_minus_b2 = static_cast<Real>(scalars.one_minus_b2);
  const auto b2 = static_cast<Real>(scalars.b2);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto mu = mu_data[i];
    const auto direction = one_minus_b1 * g + b1 * mu;
    const auto scale_by_lion = optgen::sign(direction);
    const auto add_decayed_weights = scale_by_lion + weight_decay * p;
    const auto mu_next = one_minus_b2 * g + b2 * mu;
    p_data[i] = p + minus_learning_rate * add_decayed_weights;
    mu_data[i] = mu_next;
  }
}

// Reads g, p, mu; writes p, mu.
static void left_out_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict mu_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto one_minus_b1 = static_cast<Real>(scalars.one_minus_b1);
  const auto b1 = static_cast<Real>(scalars.b1);
  const auto one_minus_b2 = static_cast<Real>(scalars.one_minus_b2);
  const auto b2 = static_cast<Real>(scalars.b2);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto mu = mu_data[i];
    const auto direction = one_minus_b1 * g + b1 * mu;
    const auto scale_by_lion = optgen::sign(direction);
    const auto mu_next = one_minus_b2 * g + b2 * mu;
    p_data[i] = p + minus_learning_rate * scale_by_lion;
    mu_data[i] = mu_next;
  }
}

// The kernels, in the order in which the tables name them.
static const optgen::Kernel kernels[] = {
    {.vector = optgen::declare<leaf_step>()},
    {.vector = optgen::declare<left_out_step>()},
};

OPTGEN_EXPORT const char* optgen_launch(const optgen_call* call) {
  Scalars scalars{};
  return optgen::launch(call, kernels, scalars);
}
