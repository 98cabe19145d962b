#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data {

/// What a picture looks like from afar: 16 x 16 bits, each whether it grows lighter to the right there.
/// Resizing, compressing again and other brightness change few of them; two pictures that have nothing
/// to do with each other differ in about half.
using PictureHash = std::array<uint64_t, 4>;

/// Of u8 RGB [height, width, 3] with a pixel. A pure function.
///
/// Source: the difference hash, N. Krawetz, "Kind of Like That" (2013), with more bits and means of areas.
PictureHash HashPicture(const Tensor& image);

/// In how many bits two differ.
int HashDistance(const PictureHash& a, const PictureHash& b);

/// Puts pictures into groups: two that differ in at most `most_bits` are in one, and so are those that a
/// chain of such pairs joins. Gives the group of each, numbered by their first pictures. O(n^2).
std::vector<int> GroupByHash(absl::Span<const PictureHash> hashes, int most_bits);

}  // namespace trainyard::data
