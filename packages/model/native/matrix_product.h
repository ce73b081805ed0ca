// Small matrix products for attention: C (+)= A B, held in registers tile by tile. TensorFlow's products serve the large ones.
#pragma once

#include "simd.h"

namespace SDPO_ISA {

// A's element (m, k) stands at data[m * row + k * column]: a transposed matrix is read where it lies.
struct Strided {
  const float* data;
  int64_t row, column;
};

#if defined(__AVX512F__)
constexpr int kTileVectors = 4;
#else
constexpr int kTileVectors = 2;
#endif
constexpr int kTileRows = 6;

template <int kRows, int kVectors>
static inline void product_tile(int64_t depth, Strided a, const float* b, int64_t b_row, float* c, int64_t c_row,
                                bool add) {
  Floats sums[kRows][kVectors];
  for (int r = 0; r < kRows; r++) {
    for (int v = 0; v < kVectors; v++) sums[r][v] = add ? load(c + r * c_row + v * kLanes) : Floats{};
  }
  for (int64_t k = 0; k < depth; k++) {
    Floats columns[kVectors];
    for (int v = 0; v < kVectors; v++) columns[v] = load(b + k * b_row + v * kLanes);
    for (int r = 0; r < kRows; r++) {
      const float element = a.data[r * a.row + k * a.column];
      for (int v = 0; v < kVectors; v++) sums[r][v] += columns[v] * element;
    }
  }
  for (int r = 0; r < kRows; r++) {
    for (int v = 0; v < kVectors; v++) store(c + r * c_row + v * kLanes, sums[r][v]);
  }
}

template <int kVectors>
static void product_columns(int64_t rows, int64_t depth, Strided a, const float* b, int64_t b_row, float* c,
                            int64_t c_row, bool add) {
  int64_t m = 0;
  const auto at = [&](int64_t row) { return Strided{a.data + row * a.row, a.row, a.column}; };
  for (; m + kTileRows <= rows; m += kTileRows) {
    product_tile<kTileRows, kVectors>(depth, at(m), b, b_row, c + m * c_row, c_row, add);
  }
  if (m + 3 <= rows) {
    product_tile<3, kVectors>(depth, at(m), b, b_row, c + m * c_row, c_row, add);
    m += 3;
  }
  for (; m < rows; m++) product_tile<1, kVectors>(depth, at(m), b, b_row, c + m * c_row, c_row, add);
}

// C: [rows, columns] (+)= A: [rows, depth] B: [depth, columns]. `columns` is a multiple of kLanes.
static void product(int64_t rows, int64_t columns, int64_t depth, Strided a, const float* b, int64_t b_row, float* c,
                    int64_t c_row, bool add) {
  int64_t n = 0;
  for (; n + kTileVectors * kLanes <= columns; n += kTileVectors * kLanes) {
    product_columns<kTileVectors>(rows, depth, a, b + n, b_row, c + n, c_row, add);
  }
  if (kTileVectors > 2 && n + 2 * kLanes <= columns) {
    product_columns<2>(rows, depth, a, b + n, b_row, c + n, c_row, add);
    n += 2 * kLanes;
  }
  for (; n < columns; n += kLanes) product_columns<1>(rows, depth, a, b + n, b_row, c + n, c_row, add);
}

}  // namespace SDPO_ISA
