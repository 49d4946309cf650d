// RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).
//
//     nu' = (1 - decay)*g**2 + decay*nu
//     scaling = rsqrt(nu' + eps)
//     scale_by_rms = scaling*g
//     scale_by_learning_rate = -learning_rate*scale_by_rms
//     trace' = scale_by_learning_rate + momentum*trace
//     p' = p + trace'
//
// Emitted for eps_in_sqrt=True, centered=False, nesterov=False, bias_correction=False.
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p, nu, trace; writes p, nu, trace.
static void leaf_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict nu_data = leaf.array<float>(2);
  float* __restrict trace_data = leaf.array<float>(3);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
  const auto decay = static_cast<Real>(leaf.scalar(2));
  const auto eps = static_cast<Real>(leaf.scalar(3));
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_hat = one_minus_decay * (g * g) + decay * nu;
    const auto scaling = (Real(1) / std::sqrt(nu_hat + eps));
    const auto scale_by_rms = scaling * g;
    const auto scale_by_learning_rate = minus_learning_rate * scale_by_rms;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    nu_data[i] = nu_hat;
    trace_data[i] = trace_next;
  }
}

// Reads g, nu, trace; writes nu, trace, update.
static void leaf_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict nu_data = leaf.array<float>(1);
  float* __restrict trace_data = leaf.array<float>(2);
  float* __restrict update_data = leaf.array<float>(3);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
  const auto decay = static_cast<Real>(leaf.scalar(2));
  const auto eps = static_cast<Real>(leaf.scalar(3));
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_hat = one_minus_decay * (g * g) + decay * nu;
    const auto scaling = (Real(1) / std::sqrt(nu_hat + eps));
    const auto scale_by_rms = scaling * g;
    const auto scale_by_learning_rate = minus_learning_rate * scale_by_rms;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    update_data[i] = trace_next;
    nu_data[i] = nu_hat;
    trace_data[i] = trace_next;
  }
}

OPTGEN_EXPORT const char* optgen_step_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_step_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 3, 3},
  };
  return optgen::run_phase(call, groups);
}

OPTGEN_EXPORT const char* optgen_update_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_update_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 2, 3},
  };
  return optgen::run_phase(call, groups);
}
