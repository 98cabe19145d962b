#include "libs/sealing/model_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/base/status.h"

namespace trainyard::sealing {
namespace {

// Map fields have no order of their own; equal records must give equal bytes.
std::string SerializeDeterministically(const ModelRecord& record) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    record.SerializeToCodedStream(&coded);
  }
  return bytes;
}

// Takes a section out of the rest.
absl::StatusOr<std::string> Take(Sections& sections, absl::string_view name) {
  auto node = sections.extract(std::string(name));
  if (node.empty()) {
    return absl::DataLossError(absl::StrCat("section '", name, "' is absent"));
  }
  return std::move(node.mapped());
}

absl::StatusOr<SealedModel> ModelFrom(SealedFile file) {
  TY_ASSIGN_OR_RETURN(const std::string record_bytes, Take(file.sections, kRecordSection));
  TY_ASSIGN_OR_RETURN(const std::string graph_bytes, Take(file.sections, kGraphSection));
  ModelRecord record;
  if (!record.ParseFromString(record_bytes)) {
    return absl::DataLossError(absl::StrCat("section '", kRecordSection, "' is not a ModelRecord"));
  }
  auto graph = graph::Graph::Parse(graph_bytes);
  if (!graph.ok()) {
    return absl::DataLossError(
        absl::StrCat("section '", kGraphSection, "': ", graph.status().message()));
  }
  return SealedModel{.kind = file.kind,
                     .model = {.graph = *std::move(graph), .record = std::move(record)},
                     .extra = std::move(file.sections)};
}

}  // namespace

absl::Status SaveModel(const std::string& path, SealedKind kind, const Model& model,
                       const Sections& extra, absl::string_view key) {
  Sections sections = extra;
  for (const absl::string_view name : {kRecordSection, kGraphSection}) {
    if (sections.contains(std::string(name))) {
      return absl::InvalidArgumentError(
          absl::StrCat("extra section '", name, "' has the name of a section of every model"));
    }
  }
  sections.emplace(kRecordSection, SerializeDeterministically(model.record));
  sections.emplace(kGraphSection, model.graph.Serialize());
  return SaveSealed(path, kind, sections, key);
}

absl::StatusOr<SealedModel> LoadModel(const std::string& path,
                                      absl::Span<const SealedKind> accepted,
                                      absl::string_view key) {
  TY_ASSIGN_OR_RETURN(SealedFile file, OpenSealed(path, accepted, key));
  auto model = ModelFrom(std::move(file));
  if (!model.ok()) return Annotate(model.status(), absl::StrCat("'", path, "'"));
  return model;
}

}  // namespace trainyard::sealing
