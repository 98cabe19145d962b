#include "libs/networks/plain_onnx.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/csv.h"

namespace trainyard::networks {
namespace {

using model::v1::Preprocess;

// "224x224 BGR, bilinear, (x - [103.939, 116.779, 123.68]) * 1", and what else there is.
std::string PreprocessText(const Preprocess& p) {
  const bool bicubic = p.interpolation() == Preprocess::BICUBIC;
  std::string text = absl::StrFormat("%dx%d %s, %s, (x - [%s]) * %g", p.width(), p.height(),
                                     Preprocess::Order_Name(p.order()),
                                     bicubic ? "bicubic" : "bilinear", absl::StrJoin(p.mean(), ", "),
                                     p.scale());
  if (!p.std().empty()) absl::StrAppend(&text, " / [", absl::StrJoin(p.std(), ", "), "]");
  if (p.resize() == Preprocess::CENTER_CROP) {
    absl::StrAppend(&text, ", of the middle: the shorter side scaled to the input's and ",
                    p.crop_margin(), " pixels");
  }
  return text;
}

}  // namespace

onnx::NodeProto& AppendNode(graph::Graph& graph, const std::string& op, const std::string& name,
                            const std::vector<std::string>& inputs,
                            const std::vector<std::string>& outputs) {
  onnx::NodeProto& node = *graph.mutable_proto().mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name(name);
  for (const auto& input : inputs) node.add_input(input);
  for (const auto& output : outputs) node.add_output(output);
  return node;
}

void SetAxis(onnx::NodeProto& node, int64_t axis) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name("axis");
  attribute.set_type(onnx::AttributeProto::INT);
  attribute.set_i(axis);
}

void DeclareOutput(graph::Graph& graph, const std::string& name, const std::vector<int64_t>& dims) {
  onnx::ValueInfoProto& output = *graph.mutable_proto().mutable_graph()->add_output();
  output.set_name(name);
  auto& type = *output.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const int64_t dim : dims) type.mutable_shape()->add_dim()->set_dim_value(dim);
}

void DescribeModel(const ModelRecord& record, graph::Graph& graph) {
  const auto add = [&graph](const std::string& key, const std::string& value) {
    auto* entry = graph.mutable_proto().add_metadata_props();
    entry->set_key(absl::StrCat("trainyard.", key));
    entry->set_value(value);
  };
  add("network", absl::StrCat(record.network(), " ", record.arch()));
  // In quotes where a name has a comma.
  add("classes", absl::StrJoin(record.classes(), ",", [](std::string* out, const std::string& name) {
        absl::StrAppend(out, CsvCell(name));
      }));
  add("preprocess", PreprocessText(record.preprocess()));
}

}  // namespace trainyard::networks
