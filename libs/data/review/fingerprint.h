#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data {

/// By what a picture is known again after it was encoded anew or made larger or smaller. 350 bytes.
struct Fingerprint {
  static constexpr int kSide = 16;
  /// Of the file's bytes, in hex.
  std::string sha256;
  /// Signs of the 64 lowest frequencies of the picture's luminance: few bits change in a copy, about
  /// half of them in another picture.
  uint64_t hash = 0;
  /// Its luminance in kSide x kSide fields, less their mean, in 32nds of their standard deviation: for
  /// a second look at those whose hashes are near.
  std::array<int8_t, kSide * kSide> fields{};
  /// There is nothing in the picture by which it could be known: one colour, or nearly. The others are
  /// of its noise then.
  bool plain = false;
};

/// The fingerprint of an image file (DecodeReduced), whose first bytes say what it is. Fails as
/// DecodeImage. Pure; any thread. Source of the hash: Zauner, Implementation and Benchmarking of
/// Perceptual Image Hash Functions, 2010, section 3.1 (DCT based).
absl::StatusOr<Fingerprint> FingerprintOf(absl::string_view bytes, absl::string_view name);

/// Hash and fields of a picture u8 RGB [h, w, 3]; no digest.
Fingerprint FingerprintOfPicture(const Tensor& picture);

/// Bits by which two hashes differ.
int HashDistance(uint64_t a, uint64_t b);

/// Correlation of the fields, -1 to 1; above kCopyLikeness for copies.
double Likeness(const Fingerprint& a, const Fingerprint& b);

/// Where copies end and other pictures begin; docs/data.md has the measurements.
inline constexpr int kCopyDistance = 11;
inline constexpr double kCopyLikeness = 0.95;

}  // namespace trainyard::data
