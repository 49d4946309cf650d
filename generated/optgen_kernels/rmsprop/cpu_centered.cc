// RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).
//
//     nu' = (1 - decay)*g**2 + decay*nu
//     mu' = (1 - decay)*g + decay*mu
//     variance = nu' - mu'**2
//     scaling = rsqrt(variance + eps)
//     scale_by_stddev = scaling*g
//     p' = p - learning_rate*scale_by_stddev
//
// Emitted for eps_in_sqrt=True, centered=True, momentum=None, nesterov=False,
// bias_correction=False.
//
// Emitted by optgen: change the rule, not this file. Each function is a kernel of the sequences in
// the tables beside it; the launch code that cuts leaves into tiles, and combines what tiles leave
// of reductions, is in optgen_launch.h. A function of tiles serves matrices in either order in
// memory: what it computes for each row, and for each column, stands before its loop over elements.

#include "optgen_launch.h"

// What is the same for every leaf.
struct optgen::Scalars {
  double minus_learning_rate;
  double one_minus_decay;
  double decay;
  double eps;
};
using optgen::Scalars;

// Reads g, p, nu, mu; writes p, nu, mu.
static void leaf_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, float* __restrict nu_data,
    float* __restrict mu_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto one_minus_decay = static_cast<Real>(scalars.one_minus_decay);
  const auto decay = static_cast<Real>(scalars.decay);
  const auto eps = static_cast<Real>(scalars.eps);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto nu = nu_data[i];
    const auto nu_hat = one_minus_decay * (g * g) + decay * nu;
    const auto mu = mu_data[i];
    const auto mu_hat = one_minus_decay * g + decay * mu;
    const auto variance = nu_hat - mu_hat * mu_hat;
    const auto scaling = (Real(1) / std::sqrt(variance + eps));
    const auto scale_by_stddev = scaling * g;
    p_data[i] = p + minus_learning_rate * scale_by_stddev;
    mu_data[i] = mu_hat;
    nu_data[i] = nu_hat;
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
