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
//     param_norm = sqrt(where(sum(p**2) <= 0, 0, sum(p**2)))
//     update_norm = sqrt(where(sum(add_decayed_weights**2) <= 0, 0, sum(add_decayed_weights**2)))
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
//     param_norm = sqrt(where(sum(p**2) <= 0, 0, sum(p**2)))
//     update_norm = sqrt(where(sum(scale_by_adam**2) <= 0, 0, sum(scale_by_adam**2)))
//     ratio = param_norm/(update_norm + 0)
//     trust_ratio = where((param_norm == 0) | (update_norm == 0), 1, ratio)
//     scale_by_trust_ratio = scale_by_adam*trust_ratio
//     p' = p - learning_rate*scale_by_trust_ratio
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p, mu, nu; writes mu, nu, sum_1, sum_2.
static void leaf_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict mu_data = leaf.array<float>(2);
  float* __restrict nu_data = leaf.array<float>(3);
  float* __restrict sum_1_data = leaf.array<float>(4);
  float* __restrict sum_2_data = leaf.array<float>(5);
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(0));
  const auto b1 = static_cast<Real>(leaf.scalar(1));
  const auto bias_correction_b1 = static_cast<Real>(leaf.scalar(2));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(3));
  const auto b2 = static_cast<Real>(leaf.scalar(4));
  const auto bias_correction_b2 = static_cast<Real>(leaf.scalar(5));
  const auto eps_root = static_cast<Real>(leaf.scalar(6));
  const auto eps = static_cast<Real>(leaf.scalar(7));
  const auto weight_decay = static_cast<Real>(leaf.scalar(8));
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
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_next = one_minus_b1 * g + b1 * mu;
    const auto mu_hat = mu_next / bias_correction_b1;
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_next = one_minus_b2 * (g * g) + b2 * nu;
    const auto nu_hat = nu_next / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto add_decayed_weights = scale_by_adam + weight_decay * p;
    const auto term = add_decayed_weights * add_decayed_weights;
    sum_1_total += double(p_squared);
    sum_2_total += double(term);
    mu_data[i] = mu_next;
    nu_data[i] = nu_next;
  }
  sum_1_part[0] = sum_1_total;
  sum_2_part[0] = sum_2_total;
}

static const optgen::Reduction leaf_step_1_1_reductions[] = {
    {4, 0b0, optgen::Combine::sum},  // sum_1
    {5, 0b0, optgen::Combine::sum},  // sum_2
};

// Reads p, mu, nu, sum_1, sum_2; writes p.
static void leaf_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  float* __restrict p_data = leaf.array<float>(1);
  const float* __restrict mu_data = leaf.array<const float>(2);
  const float* __restrict nu_data = leaf.array<const float>(3);
  const float* __restrict sum_1_data = leaf.array<const float>(4);
  const float* __restrict sum_2_data = leaf.array<const float>(5);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(9));
  const auto bias_correction_b1 = static_cast<Real>(leaf.scalar(2));
  const auto bias_correction_b2 = static_cast<Real>(leaf.scalar(5));
  const auto eps_root = static_cast<Real>(leaf.scalar(6));
  const auto eps = static_cast<Real>(leaf.scalar(7));
  const auto weight_decay = static_cast<Real>(leaf.scalar(8));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto param_norm = std::sqrt((sum_1 <= Real(0) ? Real(0) : sum_1));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto update_norm = std::sqrt((sum_2 <= Real(0) ? Real(0) : sum_2));
  const auto ratio = param_norm / (update_norm + Real(0));
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_hat = mu / bias_correction_b1;
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_hat = nu / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto add_decayed_weights = scale_by_adam + weight_decay * p;
    const auto scale_by_trust_ratio = add_decayed_weights * trust_ratio;
    p_data[i] = p + minus_learning_rate * scale_by_trust_ratio;
  }
}

// Reads g, p, mu, nu; writes mu, nu, sum_1, sum_2.
static void left_out_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict mu_data = leaf.array<float>(2);
  float* __restrict nu_data = leaf.array<float>(3);
  float* __restrict sum_1_data = leaf.array<float>(4);
  float* __restrict sum_2_data = leaf.array<float>(5);
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(0));
  const auto b1 = static_cast<Real>(leaf.scalar(1));
  const auto bias_correction_b1 = static_cast<Real>(leaf.scalar(2));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(3));
  const auto b2 = static_cast<Real>(leaf.scalar(4));
  const auto bias_correction_b2 = static_cast<Real>(leaf.scalar(5));
  const auto eps_root = static_cast<Real>(leaf.scalar(6));
  const auto eps = static_cast<Real>(leaf.scalar(7));
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
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_next = one_minus_b1 * g + b1 * mu;
    const auto mu_hat = mu_next / bias_correction_b1;
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_next = one_minus_b2 * (g * g) + b2 * nu;
    const auto nu_hat = nu_next / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto term = scale_by_adam * scale_by_adam;
    sum_1_total += double(p_squared);
    sum_2_total += double(term);
    mu_data[i] = mu_next;
    nu_data[i] = nu_next;
  }
  sum_1_part[0] = sum_1_total;
  sum_2_part[0] = sum_2_total;
}

static const optgen::Reduction left_out_step_1_1_reductions[] = {
    {4, 0b0, optgen::Combine::sum},  // sum_1
    {5, 0b0, optgen::Combine::sum},  // sum_2
};

// Reads p, mu, nu, sum_1, sum_2; writes p.
static void left_out_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  float* __restrict p_data = leaf.array<float>(1);
  const float* __restrict mu_data = leaf.array<const float>(2);
  const float* __restrict nu_data = leaf.array<const float>(3);
  const float* __restrict sum_1_data = leaf.array<const float>(4);
  const float* __restrict sum_2_data = leaf.array<const float>(5);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(9));
  const auto bias_correction_b1 = static_cast<Real>(leaf.scalar(2));
  const auto bias_correction_b2 = static_cast<Real>(leaf.scalar(5));
  const auto eps_root = static_cast<Real>(leaf.scalar(6));
  const auto eps = static_cast<Real>(leaf.scalar(7));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto param_norm = std::sqrt((sum_1 <= Real(0) ? Real(0) : sum_1));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto update_norm = std::sqrt((sum_2 <= Real(0) ? Real(0) : sum_2));
  const auto ratio = param_norm / (update_norm + Real(0));
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_hat = mu / bias_correction_b1;
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_hat = nu / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto scale_by_trust_ratio = scale_by_adam * trust_ratio;
    p_data[i] = p + minus_learning_rate * scale_by_trust_ratio;
  }
}

// Reads g, p, mu, nu; writes mu, nu, add_decayed_weights, sum_1, sum_2.
static void leaf_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict mu_data = leaf.array<float>(2);
  float* __restrict nu_data = leaf.array<float>(3);
  float* __restrict add_decayed_weights_data = leaf.array<float>(4);
  float* __restrict sum_1_data = leaf.array<float>(5);
  float* __restrict sum_2_data = leaf.array<float>(6);
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(0));
  const auto b1 = static_cast<Real>(leaf.scalar(1));
  const auto bias_correction_b1 = static_cast<Real>(leaf.scalar(2));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(3));
  const auto b2 = static_cast<Real>(leaf.scalar(4));
  const auto bias_correction_b2 = static_cast<Real>(leaf.scalar(5));
  const auto eps_root = static_cast<Real>(leaf.scalar(6));
  const auto eps = static_cast<Real>(leaf.scalar(7));
  const auto weight_decay = static_cast<Real>(leaf.scalar(8));
  double* sum_1_part = leaf.partial(0, tile);
  double* sum_2_part = leaf.partial(1, tile);
  const auto [begin, end] = leaf.elements(tile);
  double sum_1_total = optgen::identity<double>(optgen::Combine::sum);
  double sum_2_total = optgen::identity<double>(optgen::Combine::sum);
  OPTGEN_SIMD_REDUCING(reduction(+ : sum_1_total) reduction(+ : sum_2_total))
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_next = one_minus_b1 * g + b1 * mu;
    const auto mu_hat = mu_next / bias_correction_b1;
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_next = one_minus_b2 * (g * g) + b2 * nu;
    const auto nu_hat = nu_next / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto p = static_cast<Real>(p_data[i]);
    const auto add_decayed_weights = scale_by_adam + weight_decay * p;
    const auto p_squared = p * p;
    const auto term = add_decayed_weights * add_decayed_weights;
    add_decayed_weights_data[i] = add_decayed_weights;
    sum_1_total += double(p_squared);
    sum_2_total += double(term);
    mu_data[i] = mu_next;
    nu_data[i] = nu_next;
  }
  sum_1_part[0] = sum_1_total;
  sum_2_part[0] = sum_2_total;
}

static const optgen::Reduction leaf_update_1_1_reductions[] = {
    {5, 0b0, optgen::Combine::sum},  // sum_1
    {6, 0b0, optgen::Combine::sum},  // sum_2
};

// Reads add_decayed_weights, sum_1, sum_2; writes update.
static void leaf_update_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  float* __restrict update_data = leaf.array<float>(7);
  const float* __restrict add_decayed_weights_data = leaf.array<const float>(4);
  const float* __restrict sum_1_data = leaf.array<const float>(5);
  const float* __restrict sum_2_data = leaf.array<const float>(6);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(9));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto param_norm = std::sqrt((sum_1 <= Real(0) ? Real(0) : sum_1));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto update_norm = std::sqrt((sum_2 <= Real(0) ? Real(0) : sum_2));
  const auto ratio = param_norm / (update_norm + Real(0));
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto add_decayed_weights = static_cast<Real>(add_decayed_weights_data[i]);
    const auto scale_by_trust_ratio = add_decayed_weights * trust_ratio;
    update_data[i] = minus_learning_rate * scale_by_trust_ratio;
  }
}

// Reads mu, nu, sum_1, sum_2; writes update.
static void left_out_update_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict mu_data = leaf.array<const float>(2);
  const float* __restrict nu_data = leaf.array<const float>(3);
  float* __restrict update_data = leaf.array<float>(6);
  const float* __restrict sum_1_data = leaf.array<const float>(4);
  const float* __restrict sum_2_data = leaf.array<const float>(5);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(9));
  const auto bias_correction_b1 = static_cast<Real>(leaf.scalar(2));
  const auto bias_correction_b2 = static_cast<Real>(leaf.scalar(5));
  const auto eps_root = static_cast<Real>(leaf.scalar(6));
  const auto eps = static_cast<Real>(leaf.scalar(7));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto param_norm = std::sqrt((sum_1 <= Real(0) ? Real(0) : sum_1));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto update_norm = std::sqrt((sum_2 <= Real(0) ? Real(0) : sum_2));
  const auto ratio = param_norm / (update_norm + Real(0));
  const auto trust_ratio = (param_norm == Real(0) || update_norm == Real(0) ? Real(1) : ratio);
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_hat = mu / bias_correction_b1;
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_hat = nu / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    const auto scale_by_trust_ratio = scale_by_adam * trust_ratio;
    update_data[i] = minus_learning_rate * scale_by_trust_ratio;
  }
}

OPTGEN_EXPORT const char* optgen_step_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_step_1_1, leaf_step_1_1_reductions),
      optgen::flat<float>(leaf_step_1_2),
  };
  static const optgen::Kernel kernels_1[] = {
      optgen::flat<float>(left_out_step_1_1, left_out_step_1_1_reductions),
      optgen::flat<float>(left_out_step_1_2),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 2, 1, 3, 5},
      {kernels_1, 2, 1, 3, 5},
  };
  return optgen::run_phase(call, groups);
}

OPTGEN_EXPORT const char* optgen_update_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_update_1_1, leaf_update_1_1_reductions),
      optgen::flat<float>(leaf_update_1_2),
  };
  static const optgen::Kernel kernels_1[] = {
      optgen::flat<float>(left_out_step_1_1, left_out_step_1_1_reductions),
      optgen::flat<float>(left_out_update_1_2),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 2, 2, 2, 6},
      {kernels_1, 2, 2, 2, 5},
  };
  return optgen::run_phase(call, groups);
}
