// What emitted CPU kernels compute with: storage types, jnp's functions that C++ has not, and the
// ways in which parts of a reduction are combined.

#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#define OPTGEN_PRAGMA(x) _Pragma(#x)
// Reductions are reassociated, lane by lane, where the emitted code says so and nowhere else.
#define OPTGEN_SIMD OPTGEN_PRAGMA(omp simd)
#define OPTGEN_SIMD_REDUCING(...) OPTGEN_PRAGMA(omp simd __VA_ARGS__)

namespace optgen {

// Storage types. Each is rounded to once, to nearest even. Assignment copies the bits, and not the
// structure: GCC makes no vectors of a loop that copies structures.

struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;
  bfloat16(const bfloat16&) = default;
  bfloat16& operator=(const bfloat16& other) {
    bits = other.bits;
    return *this;
  }
  explicit bfloat16(float x) : bits(rounded(__builtin_bit_cast(uint32_t, x))) {}
  explicit bfloat16(double x) : bfloat16(round_to_odd(x)) {}
  operator float() const {
    return __builtin_bit_cast(float, static_cast<uint32_t>(bits) << 16);
  }

 private:
  // Without a branch, for loops over elements become vectors. A NaN keeps its sign, and is quiet.
  static uint16_t rounded(uint32_t u) {
    const uint32_t nearest = u + 0x7fff + ((u >> 16) & 1);
    const uint32_t quiet = u | 0x400000;
    return static_cast<uint16_t>(((u & 0x7fffffff) > 0x7f800000 ? quiet : nearest) >> 16);
  }

  // The nearest float whose last bit says that something was lost: it rounds once more, rightly.
  static float round_to_odd(double x) {
    const float f = static_cast<float>(x);
    if (static_cast<double>(f) == x || f != f) return f;
    uint32_t u = __builtin_bit_cast(uint32_t, f);
    if (std::fabs(static_cast<double>(f)) > std::fabs(x)) u -= 1;
    return __builtin_bit_cast(float, u | 1);
  }
};

struct float16 {
  _Float16 value;

  float16() = default;
  float16(const float16&) = default;
  float16& operator=(const float16& other) {
    value = other.value;
    return *this;
  }
  explicit float16(float x) : value(static_cast<_Float16>(x)) {}
  explicit float16(double x) : value(static_cast<_Float16>(x)) {}
  operator float() const { return static_cast<float>(value); }
};

// What jnp says of NaN and of signed zeros.

template <class Real>
inline Real maximum(Real a, Real b) {
  return (a > b || a != a || (a == b && std::copysign(Real(1), a) > 0)) ? a : b;
}

template <class Real>
inline Real minimum(Real a, Real b) {
  return (a < b || a != a || (a == b && std::copysign(Real(1), a) < 0)) ? a : b;
}

template <class Real>
inline Real sign(Real x) {
  return x > 0 ? Real(1) : (x < 0 ? Real(-1) : x);
}

#pragma omp declare reduction(largest : float, double : omp_out = maximum(omp_out, omp_in)) \
    initializer(omp_priv = -std::numeric_limits<decltype(omp_orig)>::infinity())
#pragma omp declare reduction(smallest : float, double : omp_out = minimum(omp_out, omp_in)) \
    initializer(omp_priv = std::numeric_limits<decltype(omp_orig)>::infinity())

enum Combine { sum, max, min };

// What a reduction of nothing is.
template <class T>
constexpr T identity(Combine how) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  return how == sum ? T(0) : how == max ? -infinity : infinity;
}

template <class T>
inline T combined(Combine how, T a, T b) {
  return how == sum ? a + b : how == max ? maximum(a, b) : minimum(a, b);
}

}  // namespace optgen
