#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/sealing/model_store.h"
#include "trainyard/model/v1/engine_header.pb.h"
#include "workers/stage-worker/tasks.h"

namespace trainyard::stage_worker {
namespace {

using worker::Context;
using worker::Finished;
using worker::v1::InspectTask;
using worker::v1::ModelDescription;

std::string ClassesOf(const ModelRecord& record) {
  return absl::StrCat(record.classes_size(), " classes (", absl::StrJoin(record.classes(), ", "), ")");
}

template <typename Message>
absl::Status ParseSection(const sealing::Sections& sections, const std::string& path,
                          const char* name, Message& message) {
  const auto found = sections.find(name);
  if (found != sections.end() && message.ParseFromString(found->second)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("engine '", path, "' has no section '", name, "' that can be read"));
}

// Reads the description alone: libs/engine would bring the runtime along.
absl::StatusOr<Finished> DescribeEngine(const InspectTask& task) {
  TY_ASSIGN_OR_RETURN(const sealing::Sections sections,
                      sealing::LoadSealed(task.model(), sealing::SealedKind::kEngine, ""));
  model::v1::EngineHeader header;
  TY_RETURN_IF_ERROR(ParseSection(sections, task.model(), "engine.header", header));
  if (header.format_version() > 1) {
    return absl::UnimplementedError(absl::StrCat("engine '", task.model(), "' is of format ",
                                                 header.format_version(),
                                                 "; this program reads 1"));
  }
  ModelRecord record;
  TY_RETURN_IF_ERROR(ParseSection(sections, task.model(), "record", record));
  Finished finished;
  ModelDescription& description = *finished.mutable_description();
  description.set_file(task.shown());
  description.set_kind("engine");
  *description.mutable_record() = record;
  *description.mutable_engine() = header;
  description.set_parameters(header.parameters());
  description.set_macs(header.macs());
  finished.add_notes(absl::StrCat(task.shown(), ": engine of ", record.network(), " ",
                                  record.arch(), ", ", ClassesOf(record)));
  finished.add_notes(absl::StrCat("runtime ", header.backend(), " ", header.backend_version()));
  finished.add_notes(absl::StrFormat(
      "precision %s, asked for %s, %.0f%% of the multiply-accumulates in int8",
      header.precision_used(), header.precision_requested(), 100 * header.int8_mac_share()));
  finished.add_notes(absl::StrFormat("batches of 1 to %d, %d parameters, %.3f GMAC",
                                     header.max_batch_size(), header.parameters(),
                                     static_cast<double>(header.macs()) / 1e9));
  const auto& machine = header.hardware();
  finished.add_notes(absl::StrFormat("for %s %s, %s family %d model %d%s%s, with %s",
                                     machine.device(), machine.architecture(), machine.vendor(),
                                     machine.family(), machine.model(),
                                     machine.name().empty() ? "" : ", ", machine.name(),
                                     absl::StrJoin(machine.features(), " ")));
  finished.add_notes(absl::StrCat("from ", header.source().file_name()));
  return finished;
}

ModelDescription Describe(const InspectTask& task, sealing::SealedKind kind,
                          const sealing::SealedModel& sealed, const absl::StatusOr<int64_t>& macs) {
  ModelDescription description;
  description.set_file(task.shown());
  description.set_kind(kind == sealing::SealedKind::kExport ? "export" : "checkpoint");
  *description.mutable_record() = sealed.model.record;
  const graph::Graph& graph = sealed.model.graph;
  description.set_parameters(graph.ParameterCount());
  if (macs.ok()) description.set_macs(*macs);
  description.set_nodes(static_cast<int64_t>(graph.nodes().size()));
  for (const auto& [name, bytes] : sealed.extra) {
    auto& section = *description.add_sections();
    section.set_name(name);
    section.set_bytes(static_cast<int64_t>(bytes.size()));
  }
  return description;
}

}  // namespace

absl::StatusOr<Finished> InspectModel(Context& context) {
  const InspectTask& task = context.job.inspect();
  TY_ASSIGN_OR_RETURN(const sealing::SealedKind kind, sealing::PeekSealed(task.model()));
  if (kind == sealing::SealedKind::kEngine) return DescribeEngine(task);
  TY_ASSIGN_OR_RETURN(const sealing::SealedModel sealed,
                      sealing::LoadModel(task.model(), {}, context.key));
  const graph::Graph& graph = sealed.model.graph;
  const absl::StatusOr<int64_t> macs = graph.MacCount();
  const ModelRecord& record = sealed.model.record;
  Finished finished;
  *finished.mutable_description() = Describe(task, kind, sealed, macs);
  finished.add_notes(absl::StrCat(task.shown(), ": ", record.network(), " ", record.arch(), ", ",
                                  ClassesOf(record)));
  const std::string cost = macs.ok()
                               ? absl::StrFormat("%.3f GMAC", static_cast<double>(*macs) / 1e9)
                               : std::string("GMAC not known");
  finished.add_notes(absl::StrFormat("input %dx%d, %d parameters, %s, %d nodes",
                                     record.preprocess().width(), record.preprocess().height(),
                                     graph.ParameterCount(), cost, graph.nodes().size()));
  if (!macs.ok()) finished.add_notes(absl::StrCat("note: ", macs.status().message()));
  for (const std::string& note : graph.notes()) finished.add_notes(absl::StrCat("note: ", note));
  for (const auto& [name, bytes] : sealed.extra) {
    finished.add_notes(absl::StrFormat("section %-12s %d bytes", name, bytes.size()));
  }
  for (const auto& step : record.lineage()) {
    finished.add_notes(absl::StrCat("lineage: ", step.stage(), " ",
                                    step.parent_sha256().substr(0, 12), " ", step.note()));
  }
  return finished;
}

}  // namespace trainyard::stage_worker
