#include "libs/networks/class_rows.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/data/findings.h"
#include "onnx/onnx_pb.h"

namespace trainyard::networks {
namespace {

// Rows of a group by their meaning; "" is background, which no class is called.
std::map<std::string, int64_t> PlacesOf(const ModelRecord& record, const ClassRows& rows) {
  std::map<std::string, int64_t> places;
  int64_t next = 0;
  if (rows.has_background) places[""] = next++;
  for (const std::string& name : record.classes()) places[name] = next++;
  return places;
}

struct Tensors {
  std::string name;
  Tensor theirs, ours;
};

// The layer's weights in both models; empty when they differ in more than the number of rows.
absl::StatusOr<std::vector<Tensors>> WeightsOf(const Model& from, const Model& to,
                                               const std::string& layer, int64_t their_rows,
                                               int64_t our_rows) {
  const onnx::NodeProto* theirs = from.graph.FindNode(layer);
  const onnx::NodeProto* ours = to.graph.FindNode(layer);
  std::vector<Tensors> all;
  if (theirs == nullptr || ours == nullptr || theirs->op_type() != ours->op_type()) return all;
  for (int i = 1; i < ours->input_size(); ++i) {
    if (i >= theirs->input_size() || !from.graph.HasInitializer(theirs->input(i)) ||
        !to.graph.HasInitializer(ours->input(i))) {
      return std::vector<Tensors>();
    }
    TY_ASSIGN_OR_RETURN(Tensor their_tensor, from.graph.Initializer(theirs->input(i)));
    TY_ASSIGN_OR_RETURN(Tensor our_tensor, to.graph.Initializer(ours->input(i)));
    Shape wanted = our_tensor.shape();
    const bool counts = !wanted.empty() && wanted[0] == our_rows &&
                        our_tensor.dtype() == DType::kFloat32 &&
                        their_tensor.dtype() == DType::kFloat32;
    if (!counts) return std::vector<Tensors>();
    wanted[0] = their_rows;
    if (their_tensor.shape() != wanted) return std::vector<Tensors>();
    all.push_back({ours->input(i), std::move(their_tensor), std::move(our_tensor)});
  }
  return all;
}

void CopyRow(const Tensor& from, int64_t from_row, Tensor& to, int64_t to_row) {
  const int64_t size = to.size() / to.dim(0);
  const auto source = from.data<float>().subspan(from_row * size, size);
  std::copy(source.begin(), source.end(), to.data<float>().begin() + to_row * size);
}

}  // namespace

absl::StatusOr<std::optional<std::string>> TakeClassRows(const Model& from,
                                                         const ClassRows& from_rows,
                                                         const ClassRows& to_rows, Model& to) {
  if (from_rows.groups != to_rows.groups || from_rows.has_background != to_rows.has_background) {
    return std::nullopt;
  }
  const auto theirs = PlacesOf(from.record, from_rows), ours = PlacesOf(to.record, to_rows);
  std::vector<std::string> shared;
  for (const auto& [name, place] : ours) {
    if (!name.empty() && theirs.contains(name)) shared.push_back(name);
  }
  if (shared.empty()) return std::nullopt;
  const auto their_count = static_cast<int64_t>(theirs.size());
  const auto our_count = static_cast<int64_t>(ours.size());
  TY_ASSIGN_OR_RETURN(std::vector<Tensors> tensors,
                      WeightsOf(from, to, to_rows.layer, from_rows.groups * their_count,
                                to_rows.groups * our_count));
  if (tensors.empty()) return std::nullopt;
  for (Tensors& one : tensors) {
    for (int64_t group = 0; group < to_rows.groups; ++group) {
      for (const auto& [name, place] : ours) {
        const auto known = theirs.find(name);
        if (known == theirs.end()) continue;
        CopyRow(one.theirs, group * their_count + known->second, one.ours,
                group * our_count + place);
      }
    }
    TY_RETURN_IF_ERROR(to.graph.SetInitializer(one.name, one.ours));
  }
  return absl::StrCat(to_rows.layer, ": the rows of ", shared.size(), " of ",
                      to.record.classes_size(), " classes came over (", data::SomeOf(shared, 20),
                      "), those of the others are fresh");
}

}  // namespace trainyard::networks
