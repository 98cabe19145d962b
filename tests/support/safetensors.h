#pragma once

#include <cstring>
#include <string>

#include "libs/graph/graph.h"

namespace trainyard::testing {

/// A safetensors file of all f32 initializers of a graph, under our names: the header's length, the
/// header, the elements one behind the other (little-endian machines).
inline std::string SafetensorsOf(const graph::Graph& graph) {
  std::string header = "{", data;
  for (const std::string& name : graph.InitializerNames()) {
    const Tensor tensor = *graph.Initializer(name);
    const auto values = tensor.data<float>();
    const size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    std::string shape;
    for (const int64_t dimension : tensor.shape()) {
      shape += (shape.empty() ? "" : ",") + std::to_string(dimension);
    }
    header += (header.size() == 1 ? "" : ",") +
              ("\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[") + shape + "],\"data_offsets\":[" +
              std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
  }
  header += "}";
  const uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file + header + data;
}

}  // namespace trainyard::testing
