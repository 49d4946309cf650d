// Reductions that tiles leave in parts.
//
// Sums are kept in double, and the parts of tiles are combined in their order, so that a result
// depends on neither the number of threads nor on which of them was first.

#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "optgen_leaf.h"
#include "optgen_numbers.h"

namespace optgen {

constexpr int64_t kLines = 16;  // added up in Real before they are added to a sum in double

// One value of a leaf, or of each matrix of it: a tile's part of it.
template <class T, Combine how, Axes varies>
class Total {
 public:
  static constexpr Axes axes = varies;
  static constexpr Combine combine = how;
  using Type = T;

  template <class Piece>
  Total(const Piece&, T*, double* part) : part_(part) {}
  void store(double total) { *part_ = total; }

 private:
  double* part_;
};

// A value of each row, or of each column. Where that is a line, a tile has all elements of it, or
// otherwise adds up its lines.
template <class Order, class T, Combine how, Axes varies>
class Lines {
 public:
  static constexpr Axes axes = varies;
  static constexpr Combine combine = how;
  using Type = T;

  static constexpr bool kOfLines = Tile<Order>::across_lines(axes);
  // Nothing beyond the line is reduced: there are no parts.
  static constexpr bool kWhole = kOfLines && (axes & kBatch);

  Lines(const Tile<Order>& tile, T* result, double* part)
      : tile_(tile), result_(result), part_(part), sums_(kOfLines ? 0 : tile.width, identity<T>(how)) {
    if (!kOfLines) std::fill_n(part, tile.width, identity<double>(how));
  }

  // What the lines so far add up to at each position.
  T* across() { return sums_.data(); }

  // Ends a line, of which the total is this.
  void end_line(int64_t line, double total) {
    if (kWhole) {
      result_[tile_.at(line, 0, axes)] = static_cast<T>(total);
    } else if (kOfLines) {
      part_[line] = total;
    } else if ((line + 1) % kLines == 0 || line + 1 == tile_.lines) {
      for (int64_t i = 0; i < tile_.width; ++i) part_[i] = combined<double>(how, part_[i], sums_[i]);
      std::fill(sums_.begin(), sums_.end(), identity<T>(how));
    }
  }

 private:
  const Tile<Order>& tile_;
  T* const result_;
  double* const part_;
  std::vector<T> sums_;
};

// A value of each element of a matrix, reduced over a batch.
template <class Order, class T, Combine how>
class Matrices {
 public:
  static constexpr Axes axes = kRow | kColumn;
  static constexpr Combine combine = how;
  using Type = T;

  Matrices(const Tile<Order>& tile, T*, double* part) : width_(tile.width), part_(part) {}
  double* line(int64_t line) { return part_ + line * width_; }

 private:
  const int64_t width_;
  double* const part_;
};

// The usual ones: a value of the leaf, of each matrix, and of the rows and columns of each matrix.
template <class T, Combine how>
using PerLeaf = Total<T, how, kNothing>;
template <class T, Combine how>
using PerMatrix = Total<T, how, kBatch>;
template <class Order, class T, Combine how>
using PerRow = Lines<Order, T, how, kBatch | kRow>;
template <class Order, class T, Combine how>
using PerColumn = Lines<Order, T, how, kBatch | kColumn>;

// A reduction among the operands of a kernel; `store` is null for what is none.
struct Reduction {
  Axes axes = kNothing;
  Combine how = sum;
  void (*store)(void* result, const std::vector<double>& totals) = nullptr;
};

template <class T>
void store_totals(void* result, const std::vector<double>& totals) {
  for (size_t i = 0; i < totals.size(); ++i) static_cast<T*>(result)[i] = static_cast<T>(totals[i]);
}

// How many doubles a piece of a leaf, a tile or a slice, leaves of a reduction.
template <class Piece>
int64_t part_size(const Leaf& leaf, const Reduction& reduction) {
  const bool each_line = Piece::across_lines(reduction.axes);
  const bool each_position = Piece::along_lines(reduction.axes);
  if (each_line && !each_position && (reduction.axes & kBatch)) return 0;  // they are whole
  return (each_line ? Piece::most_lines(leaf) : 1) *
         (each_position ? Piece::width_of(leaf) : 1);
}

// Combines what pieces left of a reduction; the part of each is so many doubles after the last.
template <class Piece>
void combine_parts(const Leaf& leaf, const Reduction& reduction, const double* parts,
                   int64_t distance, void* result) {
  const Combine how = reduction.how;
  const bool each_line = Piece::across_lines(reduction.axes);
  const bool each_position = Piece::along_lines(reduction.axes);
  std::vector<double> totals(leaf.elements(reduction.axes), identity<double>(how));
  for (int64_t index = 0; index < Piece::count(leaf); ++index, parts += distance) {
    const Piece piece(leaf, index);
    const int64_t lines = each_line ? piece.lines : 1, width = each_position ? piece.width : 1;
    for (int64_t line = 0; line < lines; ++line) {
      double* into = totals.data() + piece.at(line, 0, reduction.axes);
      const double* from = parts + line * width;
      if (how == sum) {
        for (int64_t i = 0; i < width; ++i) into[i] += from[i];
      } else {
        for (int64_t i = 0; i < width; ++i) into[i] = combined<double>(how, into[i], from[i]);
      }
    }
  }
  reduction.store(result, totals);
}

}  // namespace optgen
