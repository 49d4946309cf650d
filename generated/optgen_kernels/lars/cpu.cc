// LARS (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).
//
// For leaves with mask None and mask None, or mask None and mask True, or mask True and mask None,
// or more:
//
//     add_decayed_weights = g + weight_decay*p
//     param_norm = sqrt(where(sum(p**2) <= 0, 0, sum(p**2)))
//     update_norm = sqrt(where(sum(add_decayed_weights**2) <= 0, 0, sum(add_decayed_weights**2)))
//     ratio = trust_coefficient*param_norm/(update_norm + eps)
//     trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
//     scale_by_trust_ratio = add_decayed_weights*trust_ratio
//     scale_by_learning_rate = -learning_rate*scale_by_trust_ratio
//     trace' = scale_by_learning_rate + momentum*trace
//     p' = p + trace'
//
// For leaves with mask None and mask False, or mask True and mask False:
//
//     add_decayed_weights = g + weight_decay*p
//     scale_by_learning_rate = -learning_rate*add_decayed_weights
//     trace' = scale_by_learning_rate + momentum*trace
//     p' = p + trace'
//
// Emitted for nesterov=False.
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p; writes sum_1, sum_2.
static void leaf_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict sum_1_data = leaf.array<float>(3);
  float* __restrict sum_2_data = leaf.array<float>(4);
  const auto weight_decay = static_cast<Real>(leaf.scalar(0));
  double* sum_1_part = leaf.partial(0, tile);
  double* sum_2_part = leaf.partial(1, tile);
  const auto [begin, end] = leaf.elements(tile);
  double sum_1_total = optgen::identity<double>(optgen::Combine::sum);
  double sum_2_total = optgen::identity<double>(optgen::Combine::sum);
  OPTGEN_SIMD_REDUCING(reduction(+ : sum_1_total) reduction(+ : sum_2_total))
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto p_squared = p * p;
    const auto g = static_cast<Real>(g_data[i]);
    const auto add_decayed_weights = g + weight_decay * p;
    const auto term = add_decayed_weights * add_decayed_weights;
    sum_1_total += double(p_squared);
    sum_2_total += double(term);
  }
  sum_1_part[0] = sum_1_total;
  sum_2_part[0] = sum_2_total;
}

static const optgen::Reduction leaf_step_1_1_reductions[] = {
    {3, 0b0, optgen::Combine::sum},  // sum_1
    {4, 0b0, optgen::Combine::sum},  // sum_2
};

// Reads g, p, trace, sum_1, sum_2; writes p, trace.
static void leaf_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict trace_data = leaf.array<float>(2);
  const float* __restrict sum_1_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(4);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(1));
  const auto weight_decay = static_cast<Real>(leaf.scalar(0));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto param_norm = std::sqrt((sum_1 <= Real(0) ? Real(0) : sum_1));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto update_norm = std::sqrt((sum_2 <= Real(0) ? Real(0) : sum_2));
  const auto trust_coefficient = static_cast<Real>(leaf.scalar(2));
  const auto eps = static_cast<Real>(leaf.scalar(3));
  const auto ratio = trust_coefficient * param_norm / (update_norm + eps);
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto add_decayed_weights = g + weight_decay * p;
    const auto scale_by_trust_ratio = add_decayed_weights * trust_ratio;
    const auto scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, p, trace; writes p, trace.
static void chosen_left_out_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict trace_data = leaf.array<float>(2);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(1));
  const auto weight_decay = static_cast<Real>(leaf.scalar(0));
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto add_decayed_weights = g + weight_decay * p;
    const auto scale_by_learning_rate = minus_learning_rate * add_decayed_weights;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, p; writes sum_1, sum_2.
static void left_out_chosen_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict sum_1_data = leaf.array<float>(3);
  float* __restrict sum_2_data = leaf.array<float>(4);
  double* sum_1_part = leaf.partial(0, tile);
  double* sum_2_part = leaf.partial(1, tile);
  const auto [begin, end] = leaf.elements(tile);
  double sum_1_total = optgen::identity<double>(optgen::Combine::sum);
  double sum_2_total = optgen::identity<double>(optgen::Combine::sum);
  OPTGEN_SIMD_REDUCING(reduction(+ : sum_1_total) reduction(+ : sum_2_total))
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto p_squared = p * p;
    const auto g = static_cast<Real>(g_data[i]);
    const auto g_squared = g * g;
    sum_1_total += double(p_squared);
    sum_2_total += double(g_squared);
  }
  sum_1_part[0] = sum_1_total;
  sum_2_part[0] = sum_2_total;
}

static const optgen::Reduction left_out_chosen_step_1_1_reductions[] = {
    {3, 0b0, optgen::Combine::sum},  // sum_1
    {4, 0b0, optgen::Combine::sum},  // sum_2
};

// Reads g, p, trace, sum_1, sum_2; writes p, trace.
static void left_out_chosen_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict trace_data = leaf.array<float>(2);
  const float* __restrict sum_1_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(4);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(1));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto param_norm = std::sqrt((sum_1 <= Real(0) ? Real(0) : sum_1));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto update_norm = std::sqrt((sum_2 <= Real(0) ? Real(0) : sum_2));
  const auto trust_coefficient = static_cast<Real>(leaf.scalar(2));
  const auto eps = static_cast<Real>(leaf.scalar(3));
  const auto ratio = trust_coefficient * param_norm / (update_norm + eps);
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto scale_by_trust_ratio = g * trust_ratio;
    const auto scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, p, trace; writes p, trace.
static void left_out_left_out_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict trace_data = leaf.array<float>(2);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(1));
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto scale_by_learning_rate = minus_learning_rate * g;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, p, trace, sum_1, sum_2; writes trace, update.
static void leaf_update_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict trace_data = leaf.array<float>(2);
  float* __restrict update_data = leaf.array<float>(5);
  const float* __restrict sum_1_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(4);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(1));
  const auto weight_decay = static_cast<Real>(leaf.scalar(0));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto param_norm = std::sqrt((sum_1 <= Real(0) ? Real(0) : sum_1));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto update_norm = std::sqrt((sum_2 <= Real(0) ? Real(0) : sum_2));
  const auto trust_coefficient = static_cast<Real>(leaf.scalar(2));
  const auto eps = static_cast<Real>(leaf.scalar(3));
  const auto ratio = trust_coefficient * param_norm / (update_norm + eps);
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto p = static_cast<Real>(p_data[i]);
    const auto add_decayed_weights = g + weight_decay * p;
    const auto scale_by_trust_ratio = add_decayed_weights * trust_ratio;
    const auto scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    update_data[i] = trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, p, trace; writes trace, update.
static void chosen_left_out_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict trace_data = leaf.array<float>(2);
  float* __restrict update_data = leaf.array<float>(3);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(1));
  const auto weight_decay = static_cast<Real>(leaf.scalar(0));
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto p = static_cast<Real>(p_data[i]);
    const auto add_decayed_weights = g + weight_decay * p;
    const auto scale_by_learning_rate = minus_learning_rate * add_decayed_weights;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    update_data[i] = trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, trace, sum_1, sum_2; writes trace, update.
static void left_out_chosen_update_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict trace_data = leaf.array<float>(2);
  float* __restrict update_data = leaf.array<float>(5);
  const float* __restrict sum_1_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(4);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(1));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto param_norm = std::sqrt((sum_1 <= Real(0) ? Real(0) : sum_1));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto update_norm = std::sqrt((sum_2 <= Real(0) ? Real(0) : sum_2));
  const auto trust_coefficient = static_cast<Real>(leaf.scalar(2));
  const auto eps = static_cast<Real>(leaf.scalar(3));
  const auto ratio = trust_coefficient * param_norm / (update_norm + eps);
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto scale_by_trust_ratio = g * trust_ratio;
    const auto scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    update_data[i] = trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, trace; writes trace, update.
static void left_out_left_out_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict trace_data = leaf.array<float>(1);
  float* __restrict update_data = leaf.array<float>(2);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(1));
  const auto momentum = static_cast<Real>(leaf.scalar(4));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto scale_by_learning_rate = minus_learning_rate * g;
    const auto trace = static_cast<Real>(trace_data[i]);
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    update_data[i] = trace_next;
    trace_data[i] = trace_next;
  }
}

OPTGEN_EXPORT const char* optgen_step_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_step_1_1, leaf_step_1_1_reductions),
      optgen::flat<float>(leaf_step_1_2),
  };
  static const optgen::Kernel kernels_1[] = {
      optgen::flat<float>(chosen_left_out_step_1_1),
  };
  static const optgen::Kernel kernels_2[] = {
      optgen::flat<float>(left_out_chosen_step_1_1, left_out_chosen_step_1_1_reductions),
      optgen::flat<float>(left_out_chosen_step_1_2),
  };
  static const optgen::Kernel kernels_3[] = {
      optgen::flat<float>(left_out_left_out_step_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 2, 1, 2, 4},
      {kernels_1, 1, 1, 2, 2},
      {kernels_2, 2, 1, 2, 4},
      {kernels_3, 1, 1, 2, 2},
  };
  return optgen::run_phase(call, groups);
}

OPTGEN_EXPORT const char* optgen_update_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_step_1_1, leaf_step_1_1_reductions),
      optgen::flat<float>(leaf_update_1_2),
  };
  static const optgen::Kernel kernels_1[] = {
      optgen::flat<float>(chosen_left_out_update_1_1),
  };
  static const optgen::Kernel kernels_2[] = {
      optgen::flat<float>(left_out_chosen_step_1_1, left_out_chosen_step_1_1_reductions),
      optgen::flat<float>(left_out_chosen_update_1_2),
  };
  static const optgen::Kernel kernels_3[] = {
      optgen::flat<float>(left_out_left_out_update_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 2, 2, 1, 4},
      {kernels_1, 1, 2, 1, 2},
      {kernels_2, 2, 2, 1, 4},
      {kernels_3, 1, 1, 1, 2},
  };
  return optgen::run_phase(call, groups);
}
