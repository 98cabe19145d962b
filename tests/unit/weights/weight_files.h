#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/weights/weight_file.h"
#include "tests/support/places.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::testing {

/// A file that tests/support/python/make_weight_files.py wrote.
inline std::string WeightFile(const std::string& name) {
  return SourceDir() + "/tests/data/weights/" + name;
}

inline std::string WeightBytes(const std::string& name) { return ContentOf(WeightFile(name)); }

inline std::vector<float> Floats(const weights::NamedWeights& weights, const std::string& name) {
  const auto found = weights.tensors.find(name);
  if (found == weights.tensors.end()) return {};
  const auto data = found->second.data<float>();
  return {data.begin(), data.end()};
}

/// The older format of PyTorch around the pickle of an object, which has no storages.
inline std::string LegacyAround(absl::string_view object) {
  std::string file("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
  file += "\x80\x02M\xe9\x03.";
  file += std::string("\x80\x02}X\x0d\0\0\0little_endian\x88s.", 24);
  file += std::string(object);
  return file + "\x80\x02].";
}

/// A safetensors file of this header and data.
inline std::string Safetensors(absl::string_view header, absl::string_view data) {
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(header.size() >> 8 * i & 255);
  return file + std::string(header) + std::string(data);
}

}  // namespace trainyard::testing
