// NAdam (Dozat, 2016, OpenReview OM0jvwB8jIp57ZJjtNEZ).
//
//     mu' = (1 - b1)*g + b1*mu
//     mu_hat = b1*(mu'/(1 - b1**(t + 1))) + (1 - b1)*(g/(1 - b1**t))
//     nu' = (1 - b2)*g**2 + b2*nu
//     nu_hat = nu'/(1 - b2**t)
//     scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
//     p' = p - learning_rate*scale_by_adam
//
// Emitted for mu_dtype=None, nesterov=True.
//
// Emitted by optgen: change the rule, not this file. Each function is a kernel of the sequences in
// the tables beside it; the launch code that cuts leaves into tiles, and combines what tiles leave
// of reductions, is in optgen_launch.h. A function of tiles serves matrices in either order in
// memory: what it computes for each row, and for each column, stands before its loop over elements.

#include "optgen_launch.h"

// What is the same for every leaf.
struct optgen::Scalars {
  double minus_learning_rate;
  double b1;
  double one_minus_b1;
  double bias_correction_b1;
  double bias_correction_b1_2;
  double one_minus_b2;
  double b2;
  double bias_correction_b2;
  double eps_root;
  double eps;
};
using optgen::Scalars;

// Reads g, p, mu, nu; writes p, mu, nu.
static void leaf_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict mu_data,
    float* __restrict nu_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto b1 = static_cast<Real>(scalars.b1);
  const auto one_minus_b1 = static_cast<Real>(scalars.one_minus_b1);
  const auto bias_correction_b1 = static_cast<Real>(scalars.bias_correction_b1);
  const auto bias_correction_b1_2 = static_cast<Real>(scalars.bias_correction_b1_2);
  const auto one_minus_b2 = static_cast<Real>(scalars.one_minus_b2);
  const auto b2 = static_cast<Real>(scalars.b2);
  const auto bias_correction_b2 = static_cast<Real>(scalars.bias_correction_b2);
  const auto eps_root = static_cast<Real>(scalars.eps_root);
  const auto eps = static_cast<Real>(scalars.eps);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto mu = mu_data[i];
    const auto mu_next = one_minus_b1 * g + b1 * mu;
    const auto term = one_minus_b1 * (g / bias_correction_b1_2);
    const auto mu_hat = b1 * (mu_next / bias_correction_b1) + term;
    const auto nu = nu_data[i];
    const auto nu_next = one_minus_b2 * (g * g) + b2 * nu;
    const auto nu_hat = nu_next / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    p_data[i] = p + minus_learning_rate * scale_by_adam;
    mu_data[i] = mu_next;
    nu_data[i] = nu_next;
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
