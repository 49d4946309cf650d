// Where the elements of a leaf are, and the tiles that threads take.
//
// A kernel sees a leaf as a vector, or as matrices of rows and columns, one for each index of a
// batch. Rows and columns are what the mathematics calls so: in memory either may be innermost. A
// leaf, and every array that varies along some of its dimensions, is stored densely.

#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace optgen {

constexpr int64_t kTileElements = 1 << 17;  // 512 KiB of float32: a share of a core's cache

// What an array varies along, as bits.
enum Axes : unsigned { kNothing = 0, kColumn = 1, kRow = 2, kBatch = 4, kAll = 7 };
constexpr Axes operator|(Axes a, Axes b) {
  return static_cast<Axes>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

// The order of a matrix in memory: whether a line of elements that are next to each other is a row
// of it, or a column.
struct RowMajor {
  static constexpr bool kRowsAreLines = true;
};
struct ColumnMajor {
  static constexpr bool kRowsAreLines = false;
};

struct Leaf {
  int64_t size = 1;
  int64_t batches = 1;  // matrices
  int64_t rows = 1;     // of a matrix
  int64_t columns = 1;
  bool rows_are_lines = true;

  // A dimension of the batch: how long it is, and its stride in arrays that vary along ….
  struct Dimension {
    int64_t extent;
    std::array<int64_t, kAll + 1> strides;
  };
  std::vector<Dimension> batch;  // innermost first
  std::array<int64_t, kAll + 1> row_strides{};
  std::array<int64_t, kAll + 1> column_strides{};

  // Reads the dimensions from a plan: how many, their extents, and their order from the outermost
  // in memory to the innermost. The last two are rows and columns; a single one is a vector.
  explicit Leaf(const int64_t*& plan) {
    const int64_t dimensions = *plan++;
    const int64_t* extents = plan;
    const int64_t* order = plan + dimensions;
    plan += 2 * dimensions;
    std::array<int64_t, kAll + 1> steps;
    steps.fill(1);
    bool innermost = true;
    for (int64_t k = dimensions - 1; k >= 0; --k) {
      const int64_t extent = extents[order[k]];
      const bool is_column = order[k] == dimensions - 1, is_row = order[k] == dimensions - 2;
      const unsigned axis = is_column ? kColumn : is_row ? kRow : kBatch;
      std::array<int64_t, kAll + 1> strides{};
      for (unsigned axes = 0; axes <= kAll; ++axes) {
        if (axes & axis) {
          strides[axes] = steps[axes];
          steps[axes] *= extent;
        }
      }
      if (innermost && extent > 1) {
        rows_are_lines = !is_row;
        innermost = false;
      }
      if (is_column) {
        columns = extent;
        column_strides = strides;
      } else if (is_row) {
        rows = extent;
        row_strides = strides;
      } else {
        batches *= extent;
        batch.push_back({extent, strides});
      }
    }
    size = steps[kAll];
  }

  int64_t elements(Axes axes) const {
    return (axes & kBatch ? batches : 1) * (axes & kRow ? rows : 1) * (axes & kColumn ? columns : 1);
  }
};

// A slice of a leaf that is seen as a vector. It leaves one part of each reduction.
struct Slice {
  int64_t begin, end;
  static constexpr int64_t lines = 1, width = 1;

  static int64_t count(const Leaf& leaf) { return (leaf.size + kTileElements - 1) / kTileElements; }
  static constexpr bool along_lines(Axes) { return false; }
  static constexpr bool across_lines(Axes) { return false; }
  static int64_t most_lines(const Leaf&) { return lines; }
  static int64_t width_of(const Leaf&) { return width; }

  Slice(const Leaf& leaf, int64_t index)
      : begin(index * kTileElements), end(std::min(begin + kTileElements, leaf.size)) {}
  int64_t at(int64_t, int64_t, Axes) const { return 0; }
};

// One matrix of a leaf: the places of its elements in arrays that vary along some dimensions.
class Matrix {
 public:
  explicit Matrix(const Leaf& leaf, int64_t batch = 0) : leaf_(leaf) {
    for (const Leaf::Dimension& dimension : leaf.batch) {
      const int64_t index = batch % dimension.extent;
      batch /= dimension.extent;
      for (unsigned axes = 0; axes <= kAll; ++axes) first_[axes] += index * dimension.strides[axes];
    }
  }

  int64_t at_batch(Axes axes = kBatch) const { return first_[axes]; }
  int64_t at_row(int64_t row, Axes axes = kBatch | kRow) const {
    return first_[axes] + row * leaf_.row_strides[axes];
  }
  int64_t at_column(int64_t column, Axes axes = kBatch | kColumn) const {
    return first_[axes] + column * leaf_.column_strides[axes];
  }
  int64_t at(int64_t row, int64_t column, Axes axes) const {
    return at_row(row, axes) + column * leaf_.column_strides[axes];
  }

 protected:
  const Leaf& leaf_;
  std::array<int64_t, kAll + 1> first_{};
};

// Some of the lines of one matrix. Its rows and columns, and the lines, are counted from 0; along
// a line, elements have positions.
template <class Order>
class Tile : Matrix {
 public:
  int64_t lines, width;
  int64_t rows, columns;

  static int64_t most_lines(const Leaf& leaf) {
    const int64_t most = std::max<int64_t>(1, kTileElements / std::max<int64_t>(1, width_of(leaf)));
    return std::min(most, lines_of(leaf));
  }
  static int64_t count(const Leaf& leaf) {
    return leaf.size ? leaf.batches * per_matrix(leaf) : 0;
  }
  static constexpr bool along_lines(Axes axes) {
    return axes & (Order::kRowsAreLines ? kColumn : kRow);
  }
  static constexpr bool across_lines(Axes axes) {
    return axes & (Order::kRowsAreLines ? kRow : kColumn);
  }
  static int64_t width_of(const Leaf& leaf) { return Order::kRowsAreLines ? leaf.columns : leaf.rows; }

  Tile(const Leaf& leaf, int64_t index) : Matrix(leaf, index / per_matrix(leaf)) {
    const int64_t first_line = index % per_matrix(leaf) * most_lines(leaf);
    lines = std::min(most_lines(leaf), lines_of(leaf) - first_line);
    width = width_of(leaf);
    rows = Order::kRowsAreLines ? lines : width;
    columns = Order::kRowsAreLines ? width : lines;
    const auto& strides = Order::kRowsAreLines ? leaf.row_strides : leaf.column_strides;
    for (unsigned axes = 0; axes <= kAll; ++axes) first_[axes] += first_line * strides[axes];
  }

  int64_t row(int64_t line, int64_t position) const {
    return Order::kRowsAreLines ? line : position;
  }
  int64_t column(int64_t line, int64_t position) const {
    return Order::kRowsAreLines ? position : line;
  }

  // Places in arrays that vary along some dimensions; along a line, elements are next to each other.
  using Matrix::at_batch;
  int64_t at_row(int64_t row, Axes axes = kBatch | kRow) const {
    return first_[axes] + row * (Order::kRowsAreLines ? leaf_.row_strides[axes] : 1);
  }
  int64_t at_column(int64_t column, Axes axes = kBatch | kColumn) const {
    return first_[axes] + column * (Order::kRowsAreLines ? 1 : leaf_.column_strides[axes]);
  }
  int64_t at(int64_t line, int64_t position, Axes axes = kAll) const {
    const auto& strides = Order::kRowsAreLines ? leaf_.row_strides : leaf_.column_strides;
    return first_[axes] + line * strides[axes] + position;
  }

 private:
  static int64_t lines_of(const Leaf& leaf) { return Order::kRowsAreLines ? leaf.rows : leaf.columns; }
  static int64_t per_matrix(const Leaf& leaf) {
    return (lines_of(leaf) + most_lines(leaf) - 1) / most_lines(leaf);
  }
};

}  // namespace optgen
