#include "libs/data/picture_hash.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace trainyard::data {
namespace {

constexpr int kRows = 16, kColumns = 17;
// Of 255: what differs by less is noise of a plain area.
constexpr double kLeastStep = 1;

// The mean brightness of rows [y1, y2), columns [x1, x2); at least one pixel of each.
double MeanOf(const Tensor& image, int64_t y1, int64_t y2, int64_t x1, int64_t x2) {
  const auto pixels = image.data<uint8_t>();
  const int64_t width = image.dim(1);
  y2 = std::max(y2, y1 + 1), x2 = std::max(x2, x1 + 1);
  int64_t sum = 0;
  for (int64_t y = y1; y < y2; ++y) {
    for (int64_t i = (y * width + x1) * 3; i < (y * width + x2) * 3; ++i) {
      sum += pixels[static_cast<size_t>(i)];
    }
  }
  return static_cast<double>(sum) / static_cast<double>(3 * (y2 - y1) * (x2 - x1));
}

int RootOf(std::vector<int>& parents, int i) {
  while (parents[static_cast<size_t>(i)] != i) {
    int& parent = parents[static_cast<size_t>(i)];
    parent = parents[static_cast<size_t>(parent)];
    i = parent;
  }
  return i;
}

}  // namespace

PictureHash HashPicture(const Tensor& image) {
  const int64_t height = image.dim(0), width = image.dim(1);
  PictureHash hash{};
  for (int row = 0; row < kRows; ++row) {
    double left = 0;
    for (int column = 0; column < kColumns; ++column) {
      const double here = MeanOf(image, row * height / kRows, (row + 1) * height / kRows,
                                 column * width / kColumns, (column + 1) * width / kColumns);
      const int bit = row * kRows + column - 1;
      if (column > 0 && here > left + kLeastStep) {
        hash[static_cast<size_t>(bit / 64)] |= uint64_t{1} << (bit % 64);
      }
      left = here;
    }
  }
  return hash;
}

int HashDistance(const PictureHash& a, const PictureHash& b) {
  int distance = 0;
  for (size_t i = 0; i < a.size(); ++i) distance += std::popcount(a[i] ^ b[i]);
  return distance;
}

std::vector<int> GroupByHash(absl::Span<const PictureHash> hashes, int most_bits) {
  std::vector<int> parents(hashes.size());
  std::iota(parents.begin(), parents.end(), 0);
  for (size_t i = 0; i < hashes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (HashDistance(hashes[i], hashes[j]) > most_bits) continue;
      const int a = RootOf(parents, static_cast<int>(i)), b = RootOf(parents, static_cast<int>(j));
      // The smaller number is the group's first picture.
      parents[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
    }
  }
  std::vector<int> groups(hashes.size()), numbers(hashes.size(), -1);
  int next = 0;
  for (size_t i = 0; i < hashes.size(); ++i) {
    int& number = numbers[static_cast<size_t>(RootOf(parents, static_cast<int>(i)))];
    if (number < 0) number = next++;
    groups[i] = number;
  }
  return groups;
}

}  // namespace trainyard::data
