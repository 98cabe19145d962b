#include "libs/data/review/fingerprint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

#include "libs/base/digest.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"

namespace trainyard::data {
namespace {

// Fields of the picture that the transform sees, a side.
constexpr int kGrid = 32;
// Frequencies of the hash, a side. That of the mean says nothing of the picture; the first one beyond
// takes its place.
constexpr int kFrequencies = 8;
// A JPEG need not be decoded finer.
constexpr int64_t kLeastSide = 2 * kGrid;
// Of 255. Less is what encoding alone makes of one colour.
constexpr double kPlainDeviation = 2;

using Grid = std::array<double, kGrid * kGrid>;

// The fields over `length` pixels of an axis, which need not be whole.
struct Axis {
  double length;
  double Place(int64_t pixel) const { return static_cast<double>(pixel) * kGrid / length; }
  // The fields that a pixel lies in.
  int First(int64_t pixel) const {
    return std::min(static_cast<int>(Place(pixel)), kGrid - 1);
  }
  int Last(int64_t pixel) const {
    return std::clamp(static_cast<int>(std::ceil(Place(pixel + 1))) - 1, First(pixel), kGrid - 1);
  }
  // The part of a field that a pixel is.
  double Share(int64_t pixel, int field) const {
    const double begin = std::max<double>(Place(pixel), field);
    return std::max(0.0, std::min<double>(Place(pixel + 1), field + 1) - begin);
  }
};

// A pixel of a row and the fields that it is a part of; nearly all are of one.
struct Column {
  int first, last;
  double share;
};

std::vector<Column> ColumnsOf(Axis axis, int64_t width) {
  std::vector<Column> columns;
  for (int64_t x = 0; x < width; ++x) {
    columns.push_back({axis.First(x), axis.Last(x), axis.Share(x, axis.First(x))});
  }
  return columns;
}

// Mean luminance of each field, whatever the picture's size: a field's border may go through a pixel.
Grid MeansOf(const Tensor& picture, Axis x_axis, Axis y_axis) {
  const int64_t height = picture.dim(0), width = picture.dim(1);
  const uint8_t* pixel = picture.data<uint8_t>().data();
  const std::vector<Column> columns = ColumnsOf(x_axis, width);
  Grid means{};
  std::array<double, kGrid> row;
  for (int64_t y = 0; y < height; ++y) {
    row.fill(0);
    for (int64_t x = 0; x < width; ++x, pixel += 3) {
      const double luminance = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
      const Column& column = columns[static_cast<size_t>(x)];
      row[column.first] += luminance * column.share;
      for (int i = column.first + 1; i <= column.last; ++i) row[i] += luminance * x_axis.Share(x, i);
    }
    for (int j = y_axis.First(y); j <= y_axis.Last(y); ++j) {
      const double share = y_axis.Share(y, j);
      for (int i = 0; i < kGrid; ++i) means[j * kGrid + i] += share * row[i];
    }
  }
  return means;
}

// cosines[k][i]: the kth function of the cosine transform at field i.
const std::array<std::array<double, kGrid>, kFrequencies + 1>& Cosines() {
  static const auto cosines = [] {
    std::array<std::array<double, kGrid>, kFrequencies + 1> table;
    for (int k = 0; k <= kFrequencies; ++k) {
      for (int i = 0; i < kGrid; ++i) {
        table[k][i] = std::cos(std::numbers::pi * k * (2 * i + 1) / (2 * kGrid));
      }
    }
    return table;
  }();
  return cosines;
}

double Coefficient(const std::array<std::array<double, kGrid>, kFrequencies + 1>& rows, int down,
                   int across) {
  double sum = 0;
  for (int j = 0; j < kGrid; ++j) sum += rows[across][j] * Cosines()[down][j];
  return sum;
}

uint64_t HashOf(const Grid& means) {
  // rows[k][j]: the kth frequency of row j.
  std::array<std::array<double, kGrid>, kFrequencies + 1> rows{};
  for (int k = 0; k <= kFrequencies; ++k) {
    for (int j = 0; j < kGrid; ++j) {
      for (int i = 0; i < kGrid; ++i) rows[k][j] += means[j * kGrid + i] * Cosines()[k][i];
    }
  }
  std::array<double, kFrequencies * kFrequencies> coefficients;
  coefficients[0] = Coefficient(rows, 0, kFrequencies);
  for (int k = 1; k < kFrequencies * kFrequencies; ++k) {
    coefficients[k] = Coefficient(rows, k / kFrequencies, k % kFrequencies);
  }
  auto sorted = coefficients;
  std::nth_element(sorted.begin(), sorted.begin() + sorted.size() / 2, sorted.end());
  const double median = sorted[sorted.size() / 2];
  uint64_t hash = 0;
  for (size_t k = 0; k < coefficients.size(); ++k) {
    if (coefficients[k] >= median) hash |= uint64_t{1} << k;
  }
  return hash;
}

// Means of 2 x 2 fields of the grid, normalised; returns their standard deviation.
double FillFields(const Grid& means, Fingerprint& print) {
  constexpr int kSide = Fingerprint::kSide;
  std::array<double, kSide * kSide> fields;
  double mean = 0, variance = 0;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const double* at = &means[2 * y * kGrid + 2 * x];
      fields[y * kSide + x] = (at[0] + at[1] + at[kGrid] + at[kGrid + 1]) / 4;
      mean += fields[y * kSide + x] / (kSide * kSide);
    }
  }
  for (const double field : fields) variance += (field - mean) * (field - mean) / (kSide * kSide);
  const double deviation = std::sqrt(variance);
  if (deviation <= 0) return 0;
  for (size_t i = 0; i < fields.size(); ++i) {
    const double steps = std::round(32 * (fields[i] - mean) / deviation);
    print.fields[i] = static_cast<int8_t>(std::clamp(steps, -127.0, 127.0));
  }
  return deviation;
}

}  // namespace

namespace {

Fingerprint FingerprintOn(const Tensor& picture, Axis x, Axis y) {
  const Grid means = MeansOf(picture, x, y);
  Fingerprint print{.hash = HashOf(means)};
  print.plain = FillFields(means, print) < kPlainDeviation;
  return print;
}

// Pixels of the reduced picture that the whole one fills: the last may be filled in part.
Axis Filled(int64_t whole, int64_t reduced) {
  int64_t divisor = 1;
  while ((whole + divisor - 1) / divisor > reduced) divisor *= 2;
  return {static_cast<double>(whole) / static_cast<double>(divisor)};
}

}  // namespace

Fingerprint FingerprintOfPicture(const Tensor& picture) {
  return FingerprintOn(picture, {static_cast<double>(picture.dim(1))},
                       {static_cast<double>(picture.dim(0))});
}

absl::StatusOr<Fingerprint> FingerprintOf(absl::string_view bytes, absl::string_view name) {
  ImageFacts facts;
  TY_ASSIGN_OR_RETURN(const Tensor picture, DecodeReduced(bytes, name, kLeastSide, &facts));
  TY_ASSIGN_OR_RETURN(const ImageSize size, ReadImageSize(bytes, name));
  // Of a turned picture the part that is not filled may lie at any side; it is at most a pixel.
  Fingerprint print = facts.orientation == 1
                          ? FingerprintOn(picture, Filled(size.width, picture.dim(1)),
                                          Filled(size.height, picture.dim(0)))
                          : FingerprintOfPicture(picture);
  print.sha256 = Sha256Hex(bytes);
  return print;
}

int HashDistance(uint64_t a, uint64_t b) { return std::popcount(a ^ b); }

double Likeness(const Fingerprint& a, const Fingerprint& b) {
  int64_t ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.fields.size(); ++i) {
    ab += a.fields[i] * b.fields[i];
    aa += a.fields[i] * a.fields[i];
    bb += b.fields[i] * b.fields[i];
  }
  if (aa == 0 || bb == 0) return 0;
  return static_cast<double>(ab) / std::sqrt(static_cast<double>(aa) * static_cast<double>(bb));
}

}  // namespace trainyard::data
