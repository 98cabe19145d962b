#include "libs/data/review/fingerprint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

#include "libs/base/digest.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"

namespace trainyard {
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

// The part of field `field` of kGrid over `pixels` that pixel `at` is.
double Share(int64_t at, int field, int64_t pixels) {
  const double scale = static_cast<double>(kGrid) / static_cast<double>(pixels);
  const double begin = std::max<double>(static_cast<double>(at) * scale, field);
  const double end = std::min<double>(static_cast<double>(at + 1) * scale, field + 1);
  return std::max(0.0, end - begin);
}

int FirstField(int64_t at, int64_t pixels) { return static_cast<int>(at * kGrid / pixels); }
int LastField(int64_t at, int64_t pixels) {
  return static_cast<int>(((at + 1) * kGrid - 1) / pixels);
}

// Mean luminance of each field, whatever the picture's size: a field's border may go through a pixel.
Grid MeansOf(const Tensor& picture) {
  const int64_t height = picture.dim(0), width = picture.dim(1);
  const uint8_t* pixel = picture.data<uint8_t>().data();
  Grid means{};
  std::array<double, kGrid> row;
  for (int64_t y = 0; y < height; ++y) {
    row.fill(0);
    for (int64_t x = 0; x < width; ++x, pixel += 3) {
      const double luminance = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
      const int first = FirstField(x, width), last = LastField(x, width);
      if (first == last) {
        row[first] += luminance * kGrid / static_cast<double>(width);
        continue;
      }
      for (int i = first; i <= last; ++i) row[i] += luminance * Share(x, i, width);
    }
    for (int j = FirstField(y, height); j <= LastField(y, height); ++j) {
      const double share = Share(y, j, height);
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

Fingerprint FingerprintOfPicture(const Tensor& picture) {
  const Grid means = MeansOf(picture);
  Fingerprint print{.hash = HashOf(means)};
  print.plain = FillFields(means, print) < kPlainDeviation;
  return print;
}

absl::StatusOr<Fingerprint> FingerprintOf(absl::string_view bytes, absl::string_view name) {
  TY_ASSIGN_OR_RETURN(const Tensor picture, DecodeReduced(bytes, name, kLeastSide));
  Fingerprint print = FingerprintOfPicture(picture);
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

}  // namespace trainyard
