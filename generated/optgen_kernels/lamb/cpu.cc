// LAMB (You et al., 2020, arXiv:1904.00962).
//
// For leaves with mask None, or mask True:
//
//     mu' = (1 - b1)*g + b1*mu
//     mu_hat = mu'/(1 - b1**t)
//     nu' = (1 - b2)*g**2 + b2*nu
//     nu_hat = nu'/(1 - b2**t)
//     scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
//     add_decayed_weights = scale_by_adam + weight_decay*p
//     param_squares = sum(p**2)
//     param_norm = sqrt(where(param_squares <= 0, 0, param_squares))
//     update_squares = sum(add_decayed_weights**2)
//     update_norm = sqrt(where(update_squares <= 0, 0, update_squares))
//     ratio = param_norm/(update_norm + 0)
//     trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
//     scale_by_trust_ratio = add_decayed_weights*trust_ratio
//     p' = p - learning_rate*scale_by_trust_ratio
//
// For leaves with mask False:
//
//     mu' = (1 - b1)*g + b1*mu
//     mu_hat = mu'/(1 - b1**t)
//     nu' = (1 - b2)*g**2 + b2*nu
//     nu_hat = nu'/(1 - b2**t)
//     scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
//     param_squares = sum(p**2)
//     param_norm = sqrt(where(param_squares <= 0, 0, param_squares))
//     update_squares = sum(scale_by_adam**2)
//     update_norm = sqrt(where(update_squares <= 0, 0, update_squares))
//     ratio = param_norm/(update_norm + 0)
//     trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
//     scale_by_trust_ratio = scale_by_adam*trust_ratio
//     p' = p - learning_rate*scale_by_trust_ratio
//
// Emitted by optgen: change the rule, not this file. Each function is a kernel of the sequences in
// the tables beside it; the launch code that cuts leaves into tiles, and combines what tiles leave
// of reductions, is in optgen_launch.h. A function of tiles serves matrices in either order in
// memory: what it computes for each row, and for each column, stands before its loop over elements.

#include "optgen_launch.h"

// What is the same for every leaf.
struct optgen::Scalars {
  double one_minus_b1;
  double b1;
  double bias_correction_b1;
  double one_minus_b2;
  double b2;
  double bias_correction_b2;
  double eps_root;
  double eps;
  double weight_decay;
  double minus_learning_rate;
};
using optgen::Scalars;

// Reads g, p, mu, nu; writes mu, nu, param_squares, update_squares.
static void leaf_sweep(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, const float* __restrict p_data, float* __restrict mu_data,
    float* __restrict nu_data, optgen::PerLeaf<float, optgen::sum> param_squares_part,
    optgen::PerLeaf<float, optgen::sum> update_squares_part) {
  using Real = float;
  const auto one_minus_b1 = static_cast<Real>(scalars.one_minus_b1);
  const auto b1 = static_cast<Real>(scalars.b1);
  const auto bias_correction_b1 = static_cast<Real>(scalars.bias_correction_b1);
  const auto one_minus_b2 = static_cast<Real>(scalars.one_minus_b2);
  const auto b2 = static_cast<Real>(scalars.b2);
  const auto bias_correction_b2 = static_cast<Real>(scalars.bias_correction_b2);
  const auto eps_root = static_cast<Real>(scalars.eps_root);
  const auto eps = static_cast<Real>(scalars.eps);
  const auto weight_decay = static_cast<Real>(scalars.weight_decay);
  double param_squares = 0;
  double update_squares = 0;
  OPTGEN_SIMD_REDUCING(reduction(+ : param_squares, update_squares))
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto p_square = p * p;
    const auto g = g_data[i];
    const auto mu = mu_data[i];
    const auto mu_next = one_minus_b1 * g + b1 * mu;
    const auto mu_hat = mu_next / bias_correction_b1;
    const auto nu = nu_data[i];
    const auto nu_next = one_minus_b2 * (g * g) + b2 * nu;
    const auto nu_hat = nu_next / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto add_decayed_weights = scale_by_adam + weight_decay * p;
    const auto add_decayed_weights_square = add_decayed_weights * add_decayed_weights;
    param_squares += double(p_square);
    update_squares += double(add_decayed_weights_square);
    mu_data[i] = mu_next;
    nu_data[i] = nu_next;
  }
  param_squares_part.store(param_squares);
  update_squares_part.store(update_squares);
}

// Reads p, mu, nu, param_squares, update_squares; writes p.
static void leaf_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    float* __restrict p_data, const float* __restrict mu_data, const float* __restrict nu_data,
    const float* __restrict param_squares_data, const float* __restrict update_squares_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto bias_correction_b1 = static_cast<Real>(scalars.bias_correction_b1);
  const auto bias_correction_b2 = static_cast<Real>(scalars.bias_correction_b2);
  const auto eps_root = static_cast<Real>(scalars.eps_root);
  const auto eps = static_cast<Real>(scalars.eps);
  const auto weight_decay = static_cast<Real>(scalars.weight_decay);
  const auto param_squares = param_squares_data[0];
  const auto param_norm = std::sqrt((param_squares <= Real(0) ? Real(0) : param_squares));
  const auto update_squares = update_squares_data[0];
  const auto update_norm = std::sqrt((update_squares <= Real(0) ? Real(0) : update_squares));
  const auto ratio = param_norm / (update_norm + Real(0));
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto mu = mu_data[i];
    const auto mu_hat = mu / bias_correction_b1;
    const auto nu = nu_data[i];
    const auto nu_hat = nu / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto add_decayed_weights = scale_by_adam + weight_decay * p;
    const auto scale_by_trust_ratio = add_decayed_weights * trust_ratio;
    p_data[i] = p + minus_learning_rate * scale_by_trust_ratio;
  }
}

// Reads g, p, mu, nu; writes mu, nu, param_squares, update_squares.
static void left_out_sweep(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, const float* __restrict p_data, float* __restrict mu_data,
    float* __restrict nu_data, optgen::PerLeaf<float, optgen::sum> param_squares_part,
    optgen::PerLeaf<float, optgen::sum> update_squares_part) {
  using Real = float;
  const auto one_minus_b1 = static_cast<Real>(scalars.one_minus_b1);
  const auto b1 = static_cast<Real>(scalars.b1);
  const auto bias_correction_b1 = static_cast<Real>(scalars.bias_correction_b1);
  const auto one_minus_b2 = static_cast<Real>(scalars.one_minus_b2);
  const auto b2 = static_cast<Real>(scalars.b2);
  const auto bias_correction_b2 = static_cast<Real>(scalars.bias_correction_b2);
  const auto eps_root = static_cast<Real>(scalars.eps_root);
  const auto eps = static_cast<Real>(scalars.eps);
  double param_squares = 0;
  double update_squares = 0;
  OPTGEN_SIMD_REDUCING(reduction(+ : param_squares, update_squares))
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto p_square = p * p;
    const auto g = g_data[i];
    const auto mu = mu_data[i];
    const auto mu_next = one_minus_b1 * g + b1 * mu;
    const auto mu_hat = mu_next / bias_correction_b1;
    const auto nu = nu_data[i];
    const auto nu_next = one_minus_b2 * (g * g) + b2 * nu;
    const auto nu_hat = nu_next / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto scale_by_adam_square = scale_by_adam * scale_by_adam;
    param_squares += double(p_square);
    update_squares += double(scale_by_adam_square);
    mu_data[i] = mu_next;
    nu_data[i] = nu_next;
  }
  param_squares_part.store(param_squares);
  update_squares_part.store(update_squares);
}

// Reads p, mu, nu, param_squares, update_squares; writes p.
static void left_out_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    float* __restrict p_data, const float* __restrict mu_data, const float* __restrict nu_data,
    const float* __restrict param_squares_data, const float* __restrict update_squares_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto bias_correction_b1 = static_cast<Real>(scalars.bias_correction_b1);
  const auto bias_correction_b2 = static_cast<Real>(scalars.bias_correction_b2);
  const auto eps_root = static_cast<Real>(scalars.eps_root);
  const auto eps = static_cast<Real>(scalars.eps);
  const auto param_squares = param_squares_data[0];
  const auto param_norm = std::sqrt((param_squares <= Real(0) ? Real(0) : param_squares));
  const auto update_squares = update_squares_data[0];
  const auto update_norm = std::sqrt((update_squares <= Real(0) ? Real(0) : update_squares));
  const auto ratio = param_norm / (update_norm + Real(0));
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto mu = mu_data[i];
    const auto mu_hat = mu / bias_correction_b1;
    const auto nu = nu_data[i];
    const auto nu_hat = nu / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto scale_by_trust_ratio = scale_by_adam * trust_ratio;
    p_data[i] = p + minus_learning_rate * scale_by_trust_ratio;
  }
}

// Reads param_squares, update_squares; writes trust_ratio.
static void leaf_finalize(
    const optgen::Leaf&, const Scalars&, const float* __restrict param_squares_data,
    const float* __restrict update_squares_data, float* __restrict trust_ratio_data) {
  using Real = float;
  const auto param_squares = param_squares_data[0];
  const auto param_norm = std::sqrt((param_squares <= Real(0) ? Real(0) : param_squares));
  const auto update_squares = update_squares_data[0];
  const auto update_norm = std::sqrt((update_squares <= Real(0) ? Real(0) : update_squares));
  const auto ratio = param_norm / (update_norm + Real(0));
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  trust_ratio_data[0] = trust_ratio;
}

// The kernels, in the order in which the tables name them.
static const optgen::Kernel kernels[] = {
    {.vector = optgen::declare<leaf_sweep>()},
    {.vector = optgen::declare<leaf_step>()},
    {.vector = optgen::declare<left_out_sweep>()},
    {.vector = optgen::declare<left_out_step>()},
    {.finalize = optgen::declare<leaf_finalize>()},
};

OPTGEN_EXPORT const char* optgen_launch(const optgen_call* call) {
  Scalars scalars{};
  return optgen::launch(call, kernels, scalars);
}
