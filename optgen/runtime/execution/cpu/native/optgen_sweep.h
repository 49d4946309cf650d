// Launch code of the cpu target: storage types, where the elements of a leaf are, the tiles that
// threads take, and the reductions that tiles leave. There is no mathematics of optimizers here.
//
// A leaf is cut into tiles of a fixed size, and what tiles leave is combined in their order, so
// that a result depends on neither the number of threads nor on which of them was first.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "optgen_kernel.h"

#define OPTGEN_PRAGMA(x) _Pragma(#x)
// Reductions are reassociated, lane by lane, where the emitted code says so and nowhere else.
#define OPTGEN_SIMD OPTGEN_PRAGMA(omp simd)
#define OPTGEN_SIMD_REDUCING(...) OPTGEN_PRAGMA(omp simd __VA_ARGS__)

namespace optgen {

constexpr int64_t kTileElements = 1 << 17;  // 512 KiB of float32: a share of a core's cache
constexpr int64_t kRows = 16;  // summed over in Real before they are added to a sum in double
constexpr int kMaxDimensions = 8;

// Storage types. Each is rounded to once, to nearest even.

struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;
  explicit bfloat16(float x) : bits(rounded(__builtin_bit_cast(uint32_t, x))) {}
  explicit bfloat16(double x) : bfloat16(round_to_odd(x)) {}
  // Assigned to, rather than copied: GCC makes no vectors of a loop that copies structures.
  void operator=(float x) { bits = rounded(__builtin_bit_cast(uint32_t, x)); }
  void operator=(double x) { *this = round_to_odd(x); }
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
  explicit float16(float x) : value(static_cast<_Float16>(x)) {}
  explicit float16(double x) : value(static_cast<_Float16>(x)) {}
  void operator=(float x) { value = static_cast<_Float16>(x); }
  void operator=(double x) { value = static_cast<_Float16>(x); }
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

enum class Combine { sum, max, min };

template <class T>
inline T identity(Combine how) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  return how == Combine::sum ? T(0) : how == Combine::max ? -infinity : infinity;
}

template <class T>
inline T combined(Combine how, T a, T b) {
  return how == Combine::sum ? a + b : how == Combine::max ? maximum(a, b) : minimum(a, b);
}

// A reduction that tiles leave partial: the array that it ends in, and along which dimensions
// of the view, as bits, it varies.
struct Reduction {
  int array;
  unsigned axes;
  Combine how;
};

// Where the elements of a leaf are. The last dimension, the columns, is innermost in memory; the
// others are its rows, counted in the order in which they are stored.
struct Layout {
  int dimensions;
  int64_t extents[kMaxDimensions];
  int order[kMaxDimensions];

  int64_t columns() const { return extents[dimensions - 1]; }
  int64_t elements(unsigned axes) const {
    int64_t count = 1;
    for (int d = 0; d < dimensions; ++d) count *= (axes >> d & 1) ? extents[d] : 1;
    return count;
  }
  int64_t rows() const { return elements((1u << (dimensions - 1)) - 1); }

  // The outer dimension along which rows follow one another in a tile.
  int inner() const { return dimensions > 1 ? order[dimensions - 2] : -1; }
  bool varies(unsigned axes) const { return dimensions > 1 && (axes >> inner() & 1); }

  // Where the first column of a row is in an array that varies along these dimensions.
  int64_t offset(unsigned axes, int64_t row) const {
    int64_t stride = (axes >> (dimensions - 1) & 1) ? columns() : 1;
    int64_t at = 0;
    for (int k = dimensions - 2; k >= 0; --k) {
      const int d = order[k];
      const int64_t index = row % extents[d];
      row /= extents[d];
      if (axes >> d & 1) {
        at += index * stride;
        stride *= extents[d];
      }
    }
    return at;
  }

  // The strides of such an array; 0 along what it does not vary along.
  std::array<int64_t, kMaxDimensions> strides(unsigned axes) const {
    std::array<int64_t, kMaxDimensions> result{};
    int64_t stride = 1;
    for (int k = dimensions - 1; k >= 0; --k) {
      const int d = order[k];
      if (axes >> d & 1) {
        result[d] = stride;
        stride *= extents[d];
      }
    }
    return result;
  }
};

struct Range {
  int64_t begin, end;
};

struct Kernel;

// One leaf, as one kernel sees it.
struct Leaf {
  const Kernel* kernel;
  Layout layout;
  void* const* arrays;
  const double* scalars;
  double* partials = nullptr;

  template <class T>
  T* array(int i) const {
    return static_cast<T*>(arrays[i]);
  }
  double scalar(int i) const { return scalars[i]; }

  // How many elements it has along some dimensions; at least 1, so that a mean over nothing is 0.
  template <class Real>
  Real extent(unsigned axes) const {
    return static_cast<Real>(std::max<int64_t>(layout.elements(axes), 1));
  }

  inline int64_t tile_rows() const;
  inline int64_t slab_rows() const;
  inline int64_t slab_tiles() const;
  inline int64_t tiles() const;
  inline Range elements(int64_t tile) const;
  inline Range rows(int64_t tile) const;
  inline int64_t partial_size(int k) const;
  inline int64_t partial_place(int k) const;
  inline int64_t partial_total() const;
  inline double* partial(int k, int64_t tile) const;
  template <class Real>
  inline void combine() const;
};

struct Kernel {
  void (*run)(const Leaf& leaf, int64_t tile);
  void (*combine)(const Leaf& leaf);  // null where no tile leaves anything
  bool flat;                          // a vector; otherwise rows of columns
  bool whole;                         // small values only: one tile
  int n_reductions;
  const Reduction* reductions;
};

inline int64_t Leaf::tile_rows() const {
  return std::max<int64_t>(1, kTileElements / std::max<int64_t>(1, layout.columns()));
}

// A slab is the rows that differ along the inner outer dimension only; no tile crosses its end.
inline int64_t Leaf::slab_rows() const {
  return layout.dimensions > 1 ? layout.extents[layout.inner()] : 1;
}

inline int64_t Leaf::slab_tiles() const {
  return (slab_rows() + tile_rows() - 1) / tile_rows();
}

inline int64_t Leaf::tiles() const {
  if (kernel->whole) return 1;
  if (kernel->flat) return (layout.columns() + kTileElements - 1) / kTileElements;
  return slab_rows() ? layout.rows() / slab_rows() * slab_tiles() : 0;
}

inline Range Leaf::elements(int64_t tile) const {
  const int64_t begin = tile * kTileElements;
  return {begin, std::min(begin + kTileElements, layout.columns())};
}

inline Range Leaf::rows(int64_t tile) const {
  const int64_t slab = tile / slab_tiles(), within = tile % slab_tiles();
  const int64_t first = slab * slab_rows();
  const int64_t begin = within * tile_rows();
  return {first + begin, first + std::min(begin + tile_rows(), slab_rows())};
}

// Elements that one tile leaves of a reduction.
inline int64_t Leaf::partial_size(int k) const {
  if (kernel->flat) return 1;
  const unsigned axes = kernel->reductions[k].axes;
  const int64_t rows = layout.varies(axes) ? std::min(tile_rows(), slab_rows()) : 1;
  return rows * ((axes >> (layout.dimensions - 1) & 1) ? layout.columns() : 1);
}

inline int64_t Leaf::partial_place(int k) const {
  int64_t before = 0;
  for (int j = 0; j < k; ++j) before += partial_size(j);
  return before;
}

inline int64_t Leaf::partial_total() const { return partial_place(kernel->n_reductions); }

// Where a tile leaves its part of a reduction, after what the tiles before, and the reductions
// before in this tile, leave. Nothing is in it yet.
inline double* Leaf::partial(int k, int64_t tile) const {
  double* part = partials + tile * partial_total() + partial_place(k);
  std::fill_n(part, partial_size(k), identity<double>(kernel->reductions[k].how));
  return part;
}

// The rows of a tile that a reduction over rows has summed in Real, so many at a time; they are
// then added in double.
template <class Real>
struct Columns {
  Combine how;
  std::vector<Real> values;

  Columns(Combine how, int64_t width) : how(how), values(width, identity<Real>(how)) {}

  void flush(double* into) {
    for (size_t c = 0; c < values.size(); ++c) into[c] = combined<double>(how, into[c], values[c]);
    std::fill(values.begin(), values.end(), identity<Real>(how));
  }
};

template <class Real>
inline void Leaf::combine() const {
  for (int k = 0; k < kernel->n_reductions; ++k) {
    const Reduction& reduction = kernel->reductions[k];
    const bool per_column = !kernel->flat && (reduction.axes >> (layout.dimensions - 1) & 1);
    const bool per_row = !kernel->flat && layout.varies(reduction.axes);
    const int64_t width = per_column ? layout.columns() : 1;
    std::vector<double> total(kernel->flat ? 1 : layout.elements(reduction.axes),
                              identity<double>(reduction.how));
    for (int64_t tile = 0; tile < tiles(); ++tile) {
      const Range range = kernel->flat ? Range{0, 1} : rows(tile);
      const double* left = partials + tile * partial_total() + partial_place(k);
      for (int64_t row = range.begin; row < (per_row ? range.end : range.begin + 1); ++row) {
        double* into = total.data() + (kernel->flat ? 0 : layout.offset(reduction.axes, row));
        const double* from = left + (row - range.begin) * width;
        if (reduction.how == Combine::sum) {
          for (int64_t c = 0; c < width; ++c) into[c] += from[c];
        } else {
          for (int64_t c = 0; c < width; ++c)
            into[c] = combined<double>(reduction.how, into[c], from[c]);
        }
      }
    }
    Real* result = array<Real>(reduction.array);
    for (size_t i = 0; i < total.size(); ++i) result[i] = static_cast<Real>(total[i]);
  }
}

// How an emitted function is declared as a kernel: over a vector, over rows of columns, or over
// small values alone.

template <class Real>
void combine(const Leaf& leaf) {
  leaf.combine<Real>();
}

using Run = void (*)(const Leaf& leaf, int64_t tile);

template <class Real>
constexpr Kernel flat(Run run) {
  return {run, nullptr, true, false, 0, nullptr};
}

template <class Real, int n>
constexpr Kernel flat(Run run, const Reduction (&reductions)[n]) {
  return {run, combine<Real>, true, false, n, reductions};
}

template <class Real>
constexpr Kernel matrix(Run run) {
  return {run, nullptr, false, false, 0, nullptr};
}

template <class Real, int n>
constexpr Kernel matrix(Run run, const Reduction (&reductions)[n]) {
  return {run, combine<Real>, false, false, n, reductions};
}

template <class Real>
constexpr Kernel settle(Run run) {
  return {run, nullptr, false, true, 0, nullptr};
}

// The leaves of one program: the kernels of a phase, and how many arrays each leaf brings.
struct Group {
  const Kernel* kernels;
  int n_kernels;
  int n_inputs;    // read only
  int n_in_place;  // the first results, which are arguments too
  int n_results;
};

namespace detail {

struct Work {  // a leaf of a tree, with its kernels
  const Group* group;
  std::vector<void*> arrays;
  std::vector<Leaf> leaves;  // as each kernel sees it
  int64_t elements = 0;
};

struct Task {  // a whole leaf (kernel < 0), or one tile of one of its kernels
  const Work* work;
  int kernel;
  int64_t tile;
};

inline int64_t partial_count(const Leaf& leaf) {
  return leaf.partial_total() * leaf.tiles();
}

inline void finish(const Leaf& leaf) {
  if (leaf.kernel->combine) leaf.kernel->combine(leaf);
}

inline void run_leaf(const Work& work) {
  for (const Leaf& leaf : work.leaves) {
    for (int64_t tile = 0; tile < leaf.tiles(); ++tile) leaf.kernel->run(leaf, tile);
    finish(leaf);
  }
}

inline void run_tasks(const optgen_pool* pool, const std::vector<Task>& tasks) {
  pool->run(
      pool->self, static_cast<int64_t>(tasks.size()),
      [](void* data, int64_t index) {
        const Task& task = (*static_cast<const std::vector<Task>*>(data))[index];
        if (task.kernel < 0) {
          run_leaf(*task.work);
        } else if (task.tile < 0) {
          finish(task.work->leaves[task.kernel]);
        } else {
          const Leaf& leaf = task.work->leaves[task.kernel];
          leaf.kernel->run(leaf, task.tile);
        }
      },
      const_cast<std::vector<Task>*>(&tasks));
}

}  // namespace detail

// Runs one phase of a step over all leaves of a tree.
//
// plan: the number of leaves, the bytes of a scalar, the number of scalars; then for each leaf
// its group, and for each kernel of that the dimensions of its view, their extents, and their
// order in memory. arguments: the scalars, then for each leaf what it reads and what it updates.
//
// A leaf of several kernels that is a small share of the tree stays with one thread, which runs
// them in turn while it is in cache; all others are cut into tiles, kernel after kernel.
inline const char* run_phase(const optgen_call* call, const Group* groups) {
  using namespace detail;
  const int64_t* plan = call->plan;
  const int64_t count = plan[0], scalar_bytes = plan[1], n_scalars = plan[2];
  plan += 3;
  std::vector<double> scalars(n_scalars);
  for (int64_t i = 0; i < n_scalars; ++i) {
    scalars[i] = scalar_bytes == 8 ? static_cast<const double*>(call->arguments[0])[i]
                                   : static_cast<const float*>(call->arguments[0])[i];
  }
  std::vector<Work> all(count);
  int64_t argument = 1, result = 0, total = 0, scratch = 0;
  int waves = 0;
  for (Work& work : all) {
    work.group = &groups[*plan++];
    const Group& group = *work.group;
    for (int i = 0; i < group.n_inputs; ++i) work.arrays.push_back(call->arguments[argument + i]);
    for (int i = 0; i < group.n_results; ++i) work.arrays.push_back(call->results[result + i]);
    argument += group.n_inputs + group.n_in_place;
    result += group.n_results;
    for (int k = 0; k < group.n_kernels; ++k) {
      Layout layout;
      layout.dimensions = static_cast<int>(*plan++);
      for (int d = 0; d < layout.dimensions; ++d) layout.extents[d] = *plan++;
      for (int d = 0; d < layout.dimensions; ++d) layout.order[d] = static_cast<int>(*plan++);
      work.leaves.push_back({&group.kernels[k], layout, work.arrays.data(), scalars.data()});
      if (!group.kernels[k].whole) {
        work.elements = std::max(work.elements, layout.elements((1u << layout.dimensions) - 1));
      }
      scratch += partial_count(work.leaves.back());
    }
    total += work.elements;
    waves = std::max(waves, group.n_kernels);
  }
  std::unique_ptr<double[]> memory(new (std::nothrow) double[scratch]);
  if (!memory) return "optgen: no memory for the partial sums of a step";
  double* free = memory.get();
  for (Work& work : all) {
    for (Leaf& leaf : work.leaves) {
      leaf.partials = free;
      free += partial_count(leaf);
    }
  }
  const int64_t threads = std::max<int64_t>(1, call->pool->threads);
  const int64_t share = std::max(kTileElements, total / (8 * threads));
  const auto stays = [share](const Work& work) {
    return work.elements <= (work.group->n_kernels > 1 ? share : kTileElements);
  };
  for (int wave = 0; wave < waves; ++wave) {
    std::vector<Task> tasks, ends;
    for (const Work& work : all) {
      if (stays(work) || wave >= work.group->n_kernels) continue;
      const Leaf& leaf = work.leaves[wave];
      for (int64_t tile = 0; tile < leaf.tiles(); ++tile) tasks.push_back({&work, wave, tile});
      if (leaf.kernel->combine) ends.push_back({&work, wave, -1});
    }
    if (wave == 0) {  // behind the large ones: they fill the gaps at the end
      for (const Work& work : all) {
        if (stays(work)) tasks.push_back({&work, -1, 0});
      }
    }
    if (!tasks.empty()) run_tasks(call->pool, tasks);
    if (!ends.empty()) run_tasks(call->pool, ends);
  }
  return nullptr;
}

}  // namespace optgen
