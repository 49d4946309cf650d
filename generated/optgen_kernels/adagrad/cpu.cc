// Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).
//
//     sum_of_squares' = g**2 + sum_of_squares
//     scaling = where(sum_of_squares' > 0, rsqrt(sum_of_squares' + eps), 0)
//     scale_by_rss = scaling*g
//     p' = p - learning_rate*scale_by_rss
//
// Emitted by optgen: change the rule, not this file. Each function is a kernel of the sequences in
// the tables beside it; the launch code that cuts leaves into tiles, and combines what tiles leave
// of reductions, is in optgen_launch.h. A function of tiles serves matrices in either order in
// memory: what it computes for each row, and for each column, stands before its loop over elements.

#include "optgen_launch.h"

// What is the same for every leaf.
struct optgen::Scalars {
  double minus_learning_rate;
  double eps;
};
using optgen::Scalars;

// Reads g, p, sum_of_squares; writes p, sum_of_squares.
static void leaf_step(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data,
    float* __restrict sum_of_squares_data) {
  using Real = float;
  const auto minus_learning_rate = static_cast<Real>(scalars.minus_learning_rate);
  const auto eps = static_cast<Real>(scalars.eps);
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto sum_of_squares = sum_of_squares_data[i];
    const auto sum_of_squares_next = g * g + sum_of_squares;
    const auto term = (Real(1) / std::sqrt(sum_of_squares_next + eps));
    const auto scaling = (sum_of_squares_next > Real(0) ? term : Real(0));
    const auto scale_by_rss = scaling * g;
    p_data[i] = p + minus_learning_rate * scale_by_rss;
    sum_of_squares_data[i] = sum_of_squares_next;
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
