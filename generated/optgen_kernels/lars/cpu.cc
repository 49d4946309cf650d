// LARS (You, Gitman and Ginsburg, 2017, arXiv:1708.03888).
//
// For leaves with mask None and mask None, or mask None and mask True, or mask True and mask None,
// or more:
//
//     add_decayed_weights = g + weight_decay*p
//     param_squares = sum(p**2)
//     param_norm = sqrt(where(param_squares <= 0, 0, param_squares))
//     update_squares = sum(add_decayed_weights**2)
//     update_norm = sqrt(where(update_squares <= 0, 0, update_squares))
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
// Emitted by optgen: change the rule, not this file. Each function is a kernel of the sequences in
// the tables beside it; the launch code that cuts leaves into tiles, and combines what tiles leave
// of reductions, is in optgen_launch.h. A function of tiles serves matrices in either order in
// memory: what it computes for each row, and for each column, stands before its loop over elements.

#include "optgen_launch.h"

// What is the same for every leaf.
struct optgen::Scalars {
  double weight_decay;
  double minus_learning_rate;
  double trust_coefficient;
  double eps;
  double momentum;
};
using optgen::Scalars;

// Reads g, p; writes param_squares, update_squares.
static void leaf_statistics(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, const float* __restrict p_data,
    optgen::PerLeaf<float, optgen::sum> param_squares_part,
    optgen::PerLeaf<float, optgen::sum> update_squares_part) {
  using Real = float;
  const auto weight_decay = static_cast<Real>(scalars.weight_decay);
  double param_squares = 0;
  double update_squares = 0;
  OPTGEN_SIMD_REDUCING(reduction(+ : param_squares, update_squares))
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto p_square = p * p;
    const auto g = g_data[i];
    const auto add_decayed_weights = g + weight_decay * p;
    const auto add_decayed_weights_square = add_decayed_weights * add_decayed_weights;
    param_squares += double(p_square);
    update_squares += double(add_decayed_weights_square);
  }
  param_squares_part.store(param_squares);
  update_squares_part.store(update_squares);
}

// Reads g, p, trace, param_squares, update_squares; writes p, trace.
static void leaf_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict trace_data,
    const float* __restrict param_squares_data, const float* __restrict update_squares_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto weight_decay = static_cast<Real>(scalars.weight_decay);
  const auto param_squares = param_squares_data[0];
  const auto param_norm = std::sqrt((param_squares <= Real(0) ? Real(0) : param_squares));
  const auto update_squares = update_squares_data[0];
  const auto update_norm = std::sqrt((update_squares <= Real(0) ? Real(0) : update_squares));
  const auto trust_coefficient = static_cast<Real>(scalars.trust_coefficient);
  const auto eps = static_cast<Real>(scalars.eps);
  const auto ratio = trust_coefficient * param_norm / (update_norm + eps);
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto momentum = static_cast<Real>(scalars.momentum);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto add_decayed_weights = g + weight_decay * p;
    const auto scale_by_trust_ratio = add_decayed_weights * trust_ratio;
    const auto scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio;
    const auto trace = trace_data[i];
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, p, trace; writes p, trace.
static void chosen_left_out_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict trace_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto weight_decay = static_cast<Real>(scalars.weight_decay);
  const auto momentum = static_cast<Real>(scalars.momentum);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto add_decayed_weights = g + weight_decay * p;
    const auto scale_by_learning_rate = minus_learning_rate * add_decayed_weights;
    const auto trace = trace_data[i];
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, p; writes param_squares, update_squares.
static void left_out_chosen_statistics(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars&, const float* __restrict g_data,
    const float* __restrict p_data, optgen::PerLeaf<float, optgen::sum> param_squares_part,
    optgen::PerLeaf<float, optgen::sum> update_squares_part) {
  using Real = float;
  double param_squares = 0;
  double update_squares = 0;
  OPTGEN_SIMD_REDUCING(reduction(+ : param_squares, update_squares))
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto p_square = p * p;
    const auto g = g_data[i];
    const auto g_square = g * g;
    param_squares += double(p_square);
    update_squares += double(g_square);
  }
  param_squares_part.store(param_squares);
  update_squares_part.store(update_squares);
}

// Reads g, p, trace, param_squares, update_squares; writes p, trace.
static void left_out_chosen_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict trace_data,
    const float* __restrict param_squares_data, const float* __restrict update_squares_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto param_squares = param_squares_data[0];
  const auto param_norm = std::sqrt((param_squares <= Real(0) ? Real(0) : param_squares));
  const auto update_squares = update_squares_data[0];
  const auto update_norm = std::sqrt((update_squares <= Real(0) ? Real(0) : update_squares));
  const auto trust_coefficient = static_cast<Real>(scalars.trust_coefficient);
  const auto eps = static_cast<Real>(scalars.eps);
  const auto ratio = trust_coefficient * param_norm / (update_norm + eps);
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto momentum = static_cast<Real>(scalars.momentum);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto scale_by_trust_ratio = g * trust_ratio;
    const auto scale_by_learning_rate = minus_learning_rate * scale_by_trust_ratio;
    const auto trace = trace_data[i];
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads g, p, trace; writes p, trace.
static void left_out_left_out_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict trace_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto momentum = static_cast<Real>(scalars.momentum);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto scale_by_learning_rate = minus_learning_rate * g;
    const auto trace = trace_data[i];
    const auto trace_next = scale_by_learning_rate + momentum * trace;
    p_data[i] = p + trace_next;
    trace_data[i] = trace_next;
  }
}

// Reads param_squares, update_squares; writes trust_ratio.
static void leaf_finalize(
    const optgen::Leaf&, const Scalars& scalars, const float* __restrict param_squares_data,
    const float* __restrict update_squares_data, float* __restrict trust_ratio_data) {
  using Real = float;
  const auto trust_coefficient = static_cast<Real>(scalars.trust_coefficient);
  const auto eps = static_cast<Real>(scalars.eps);
  const auto param_squares = param_squares_data[0];
  const auto param_norm = std::sqrt((param_squares <= Real(0) ? Real(0) : param_squares));
  const auto update_squares = update_squares_data[0];
  const auto update_norm = std::sqrt((update_squares <= Real(0) ? Real(0) : update_squares));
  const auto ratio = trust_coefficient * param_norm / (update_norm + eps);
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  trust_ratio_data[0] = trust_ratio;
}

// The kernels, in the order in which the tables name them.
static const optgen::Kernel kernels[] = {
    {.vector = optgen::declare<leaf_statistics>()},
    {.vector = optgen::declare<leaf_step>()},
    {.vector = optgen::declare<chosen_left_out_step>()},
    {.vector = optgen::declare<left_out_chosen_statistics>()},
    {.vector = optgen::declare<left_out_chosen_step>()},
    {.vector = optgen::declare<left_out_left_out_step>()},
    {.finalize = optgen::declare<leaf_finalize>()},
};

OPTGEN_EXPORT const char* optgen_launch(const optgen_call* call) {
  Scalars scalars{};
  return optgen::launch(call, kernels, scalars);
}
