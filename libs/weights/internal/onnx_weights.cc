// Initializers of an ONNX model. libs/graph has held each against its shape.

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/graph/graph.h"
#include "libs/weights/internal/formats.h"
#include "libs/weights/internal/tensor_collector.h"
#include "onnx/onnx_pb.h"

namespace trainyard::weights {
namespace {

using onnx::TensorProto;

ElementType TypeOf(const TensorProto& proto) {
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
      return {"f32", 4, Encoding::kFloat32};
    case TensorProto::FLOAT16:
      return {"f16", 2, Encoding::kFloat16};
    case TensorProto::BFLOAT16:
      return {"bf16", 2, Encoding::kBFloat16};
    case TensorProto::DOUBLE:
      return {"f64", 8, Encoding::kFloat64};
    default:
      return {"integer", 1, Encoding::kNotFloat};
  }
}

template <typename Element, typename Field>
std::string Packed(const Field& field) {
  std::string bytes(static_cast<size_t>(field.size()) * sizeof(Element), '\0');
  char* out = bytes.data();
  for (const auto value : field) {
    const auto element = static_cast<Element>(value);
    std::memcpy(out, &element, sizeof(element));
    out += sizeof(element);
  }
  return bytes;
}

/// The elements as raw_data would have them: a type has its own field else.
std::string BytesOf(const TensorProto& proto) {
  if (proto.has_raw_data()) return proto.raw_data();
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
      return Packed<float>(proto.float_data());
    case TensorProto::DOUBLE:
      return Packed<double>(proto.double_data());
    default:
      return Packed<uint16_t>(proto.int32_data());
  }
}

}  // namespace

absl::StatusOr<NamedWeights> ParseOnnxWeights(absl::string_view bytes, const std::string& folder) {
  TY_ASSIGN_OR_RETURN(const graph::Graph graph, graph::Graph::Parse(bytes, folder));
  const auto& initializers = graph.proto().graph().initializer();
  std::vector<std::string> contents;
  int64_t total = static_cast<int64_t>(bytes.size());
  for (const TensorProto& proto : initializers) {
    const bool is_float = TypeOf(proto).encoding != Encoding::kNotFloat;
    contents.push_back(is_float ? BytesOf(proto) : "");
    total += static_cast<int64_t>(contents.back().size());
  }
  TensorCollector collector(total);
  for (int i = 0; i < initializers.size(); ++i) {
    const TensorProto& proto = initializers[i];
    const ElementType type = TypeOf(proto);
    const bool is_float = type.encoding != Encoding::kNotFloat;
    const Shape shape(proto.dims().begin(), proto.dims().end());
    const auto view =
        DenseView(type, contents[static_cast<size_t>(i)], is_float ? shape : Shape{0});
    if (!view.ok()) {
      return Annotate(view.status(), absl::StrCat("tensor '", Shown(proto.name()), "'"));
    }
    TY_RETURN_IF_ERROR(collector.Add(proto.name(), *view));
  }
  return std::move(collector).Finish("onnx");
}

}  // namespace trainyard::weights
