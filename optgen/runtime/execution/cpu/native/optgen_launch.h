// Launch code of the cpu target: how emitted functions are declared as kernels, and how the
// threads of a computation run them on the leaves of a tree. There is no mathematics of
// optimizers here.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "optgen_kernel.h"
#include "optgen_leaf.h"
#include "optgen_numbers.h"
#include "optgen_reductions.h"

namespace optgen {

// What is the same for every leaf: a double for each. Each library has its own.
struct Scalars;

// A kernel on a leaf: its arrays, and where its tiles leave their parts of reductions.
struct Run;

// An emitted function, whatever its parameters.
struct Function {
  void (*run)(const Run& run, const Scalars& scalars, int64_t tile) = nullptr;
  int64_t (*tiles)(const Leaf& leaf) = nullptr;
  int64_t (*part_size)(const Leaf& leaf, const Reduction& reduction) = nullptr;
  void (*combine)(const Leaf& leaf, const Reduction& reduction, const double* parts,
                  int64_t distance, void* result) = nullptr;
  const Reduction* reductions = nullptr;  // for each operand
  int operands = 0;
};

// A kernel: a sweep of a vector, a sweep of matrices for each order in memory, or a finalize.
struct Kernel {
  Function vector{};
  Function row_major{};
  Function column_major{};
  Function finalize{};

  const Function& for_leaf(const Leaf& leaf) const {
    if (finalize.run) return finalize;
    if (vector.run) return vector;
    return leaf.rows_are_lines ? row_major : column_major;
  }
};

struct Run {
  const Function* function;
  const Leaf* leaf;
  std::vector<void*> arrays;
  double* parts = nullptr;
  int64_t part_size = 0;  // of one tile

  Run(const Function& function, const Leaf& leaf, std::vector<void*> arrays)
      : function(&function), leaf(&leaf), arrays(std::move(arrays)) {
    part_size = part_place(function.operands);
  }

  int64_t tiles() const { return function->tiles(*leaf); }

  // Where the part of an operand begins among those of a tile.
  int64_t part_place(int operand) const {
    int64_t place = 0;
    for (int i = 0; i < operand; ++i) {
      const Reduction& reduction = function->reductions[i];
      if (reduction.store) place += function->part_size(*leaf, reduction);
    }
    return place;
  }

  void combine() const {
    for (int i = 0; i < function->operands; ++i) {
      const Reduction& reduction = function->reductions[i];
      if (reduction.store && function->part_size(*leaf, reduction)) {
        function->combine(*leaf, reduction, parts + part_place(i), part_size, arrays[i]);
      }
    }
  }
};

// How a parameter of an emitted function is made of an operand: an array, or a part of a reduction.
template <class Parameter>
struct Argument {
  using Type = typename Parameter::Type;
  static constexpr Reduction reduction{Parameter::axes, Parameter::combine, store_totals<Type>};

  template <class Piece>
  static Parameter make(const Run& run, int operand, const Piece& piece, int64_t index) {
    double* part = run.parts + index * run.part_size + run.part_place(operand);
    return Parameter(piece, static_cast<Type*>(run.arrays[operand]), part);
  }
};

template <class Element>
struct Argument<Element*> {
  static constexpr Reduction reduction{};

  template <class Piece>
  static Element* make(const Run& run, int operand, const Piece&, int64_t) {
    return static_cast<Element*>(run.arrays[operand]);
  }
};

template <auto function>
struct Declared;

// A sweep, of slices or of tiles.
template <class Piece, class... Parameters,
          void (*function)(const Leaf&, const Piece&, const Scalars&, Parameters...)>
struct Declared<function> {
  static constexpr std::array<Reduction, sizeof...(Parameters)> reductions{
      Argument<Parameters>::reduction...};

  template <size_t... operand>
  static void call(const Run& run, const Scalars& scalars, int64_t index,
                   std::index_sequence<operand...>) {
    const Piece piece(*run.leaf, index);
    function(*run.leaf, piece, scalars,
             Argument<Parameters>::make(run, operand, piece, index)...);
  }
  static void run(const Run& run, const Scalars& scalars, int64_t index) {
    call(run, scalars, index, std::index_sequence_for<Parameters...>());
  }
  static Function declare() {
    return {run,
            Piece::count,
            part_size<Piece>,
            combine_parts<Piece>,
            reductions.data(),
            static_cast<int>(reductions.size())};
  }
};

// A finalize: small values only, which one thread computes.
template <class... Parameters, void (*function)(const Leaf&, const Scalars&, Parameters...)>
struct Declared<function> {
  static constexpr std::array<Reduction, sizeof...(Parameters)> reductions{};

  template <size_t... operand>
  static void call(const Run& run, const Scalars& scalars, std::index_sequence<operand...>) {
    function(*run.leaf, scalars, static_cast<Parameters>(run.arrays[operand])...);
  }
  static void run(const Run& run, const Scalars& scalars, int64_t) {
    call(run, scalars, std::index_sequence_for<Parameters...>());
  }
  static Function declare() {
    return {run,
            [](const Leaf&) -> int64_t { return 1; },
            nullptr,
            nullptr,
            reductions.data(),
            static_cast<int>(reductions.size())};
  }
};

// An emitted function as the launch code knows it.
template <auto function>
Function declare() {
  return Declared<function>::declare();
}

namespace detail {

struct Work {  // a leaf of a tree, with its kernels
  Leaf leaf;
  std::vector<Run> runs;
  int64_t elements = 0;  // that sweeps read

  explicit Work(const int64_t*& plan) : leaf(plan) {}

  void run_all(const Scalars& scalars) const {
    for (const Run& run : runs) {
      for (int64_t tile = 0; tile < run.tiles(); ++tile) run.function->run(run, scalars, tile);
      run.combine();
    }
  }
};

struct Task {  // a whole leaf, or a tile of one of its kernels, or the end of that
  enum { kEnd = -1 };
  const Work* work = nullptr;
  const Run* run = nullptr;
  int64_t tile = 0;
};

inline void run_tasks(const optgen_pool* pool, const Scalars& scalars,
                      const std::vector<Task>& tasks) {
  struct Data {
    const Scalars& scalars;
    const std::vector<Task>& tasks;
  } data{scalars, tasks};
  pool->run(
      pool->self, static_cast<int64_t>(tasks.size()),
      [](void* pointer, int64_t index) {
        const Data& data = *static_cast<const Data*>(pointer);
        const Task& task = data.tasks[index];
        if (task.work) {
          task.work->run_all(data.scalars);
        } else if (task.tile == Task::kEnd) {
          task.run->combine();
        } else {
          task.run->function->run(*task.run, data.scalars, task.tile);
        }
      },
      &data);
}

// Runs kernel after kernel. A leaf of several that is a small share of the tree stays with one
// thread, which runs them in turn while it is in cache; all others are cut into tiles.
inline void run_waves(const optgen_pool* pool, const Scalars& scalars,
                      const std::vector<Work>& all) {
  int64_t total = 0;
  size_t waves = 0;
  for (const Work& work : all) {
    total += work.elements;
    waves = std::max(waves, work.runs.size());
  }
  const int64_t threads = std::max<int64_t>(1, pool->threads);
  const int64_t share = std::max(kTileElements, total / (8 * threads));
  const auto stays = [share](const Work& work) {
    return work.elements <= (work.runs.size() > 1 ? share : kTileElements);
  };
  for (size_t wave = 0; wave < waves; ++wave) {
    std::vector<Task> tasks, ends;
    for (const Work& work : all) {
      if (stays(work) || wave >= work.runs.size()) continue;
      const Run& run = work.runs[wave];
      for (int64_t tile = 0; tile < run.tiles(); ++tile) tasks.push_back({nullptr, &run, tile});
      if (run.part_size) ends.push_back({nullptr, &run, Task::kEnd});
    }
    if (wave == 0) {  // behind the large ones: they fill the gaps at the end
      for (const Work& work : all) {
        if (stays(work)) tasks.push_back({&work});
      }
    }
    if (!tasks.empty()) run_tasks(pool, scalars, tasks);
    if (!ends.empty()) run_tasks(pool, scalars, ends);
  }
}

}  // namespace detail

// Launches kernels on leaves of a tree.
//
// plan: how many scalars the call gives, the bytes of one, and which they are among those of the
// library; the number of leaves; then of each its dimensions (see Leaf), the number of its kernels,
// and of each the number of the kernel and that of the array that each operand is: an argument of
// the call, or, where negative, a result, counted from -1 downwards. The scalars are argument 0.
inline const char* launch(const optgen_call* call, const Kernel* kernels, Scalars& scalars) {
  using namespace detail;
  const int64_t* plan = call->plan;
  const int64_t given = *plan++, scalar_bytes = *plan++;
  for (int64_t i = 0; i < given; ++i) {
    const double value = scalar_bytes == 8 ? static_cast<const double*>(call->arguments[0])[i]
                                           : static_cast<const float*>(call->arguments[0])[i];
    std::memcpy(reinterpret_cast<char*>(&scalars) + *plan++ * sizeof(double), &value,
                sizeof(double));
  }
  std::vector<Work> all;
  all.reserve(*plan);  // a leaf stays where it is: its kernels point at it
  int64_t scratch = 0;
  for (int64_t leaves = *plan++; leaves > 0; --leaves) {
    all.emplace_back(plan);
    Work& work = all.back();
    for (int64_t count = *plan++; count > 0; --count) {
      const Kernel& kernel = kernels[*plan++];
      const Function& function = kernel.for_leaf(work.leaf);
      std::vector<void*> arrays(function.operands);
      for (void*& array : arrays) {
        const int64_t place = *plan++;
        array = place < 0 ? call->results[-1 - place] : call->arguments[place];
      }
      work.runs.emplace_back(function, work.leaf, std::move(arrays));
      if (!kernel.finalize.run) work.elements = work.leaf.size;
      scratch += work.runs.back().part_size * work.runs.back().tiles();
    }
  }
  std::unique_ptr<double[]> memory(new (std::nothrow) double[scratch]);
  if (!memory) return "optgen: no memory for the partial sums of a step";
  double* free = memory.get();
  for (Work& work : all) {
    for (Run& run : work.runs) {
      run.parts = free;
      free += run.part_size * run.tiles();
    }
  }
  run_waves(call->pool, scalars, all);
  return nullptr;
}

}  // namespace optgen
