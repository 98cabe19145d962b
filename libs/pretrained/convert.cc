#include "libs/pretrained/convert.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/graph/builder.h"
#include "libs/layers/backbone.h"
#include "libs/sealing/model_store.h"
#include "libs/weights/apply_weights.h"
#include "libs/weights/map_names.h"

namespace trainyard::pretrained {
namespace {

constexpr char kVersion[] = TRAINYARD_VERSION;
constexpr char kInput[] = "Input";
constexpr int kChannels = 3;
constexpr size_t kShownLayers = 10;

absl::Status DigestStatus(absl::string_view file, const PretrainedModel& entry,
                          absl::string_view sha256) {
  if (entry.weights_sha256().empty() || entry.weights_sha256() == sha256) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("'%s' is another file than %s's: expected sha256 %s, is %s", Shown(file),
                      entry.name(), entry.weights_sha256(), sha256));
}

absl::StatusOr<graph::Graph> BuildBackbone(const layers::BackboneOptions& options,
                                           const model::v1::Preprocess& preprocess) {
  graph::GraphBuilder builder(absl::StrCat("backbone_", layers::BackboneName(options)));
  const int64_t height = preprocess.height(), width = preprocess.width();
  const layers::FeatureMap input{.value = builder.Input(kInput, {-1, kChannels, height, width}),
                                 .channels = kChannels,
                                 .height = height,
                                 .width = width};
  TY_ASSIGN_OR_RETURN(const layers::Backbone backbone,
                      layers::AddBackbone(builder, options, input));
  const layers::FeatureMap& map = backbone.output();
  builder.Output(map.value, {-1, map.channels, map.height, map.width});
  return std::move(builder).Finish();
}

/// A backbone with the weights of a file, and how well they fit.
struct Filled {
  graph::Graph graph;
  weights::WeightMatch match;

  size_t lacking() const { return match.mismatched.size() + match.missing.size(); }
  bool BetterThan(const Filled& other) const {
    if (lacking() != other.lacking()) return lacking() < other.lacking();
    return match.unused.size() < other.match.unused.size();
  }
};

/// Which layers a backbone has is its network's choice, so that a file may be of any of these. The
/// first is what networks do by default.
std::vector<layers::BackboneOptions> Variants(const layers::BackboneOptions& options) {
  std::vector<layers::BackboneOptions> variants;
  for (const bool norm : {true, false}) {
    for (const bool projections : {true, false}) {
      for (const bool bias : {false, true}) {
        layers::BackboneOptions variant = options;
        variant.use_batch_norm = norm;
        variant.all_projections = projections;
        variant.use_bias = bias;
        variants.push_back(std::move(variant));
      }
    }
  }
  return variants;
}

absl::StatusOr<Filled> Fill(const weights::MappedWeights& mapped,
                            const layers::BackboneOptions& options,
                            const model::v1::Preprocess& preprocess) {
  TY_ASSIGN_OR_RETURN(graph::Graph graph, BuildBackbone(options, preprocess));
  TY_ASSIGN_OR_RETURN(weights::WeightMatch match, weights::ApplyWeights(mapped, graph));
  return Filled{std::move(graph), std::move(match)};
}

/// Whether the file has weights of the backbone that this graph has no place for: biases, mostly.
bool LeavesBackboneOut(const weights::WeightMatch& match, const weights::MappedWeights& mapped) {
  return match.unused.size() > mapped.unused.size();
}

absl::StatusOr<Filled> FillBest(const weights::MappedWeights& mapped, const std::string& backbone,
                                const model::v1::Preprocess& preprocess) {
  TY_ASSIGN_OR_RETURN(const layers::BackboneOptions options, layers::BackboneOfName(backbone));
  std::optional<Filled> best;
  for (const layers::BackboneOptions& variant : Variants(options)) {
    TY_ASSIGN_OR_RETURN(Filled filled, Fill(mapped, variant, preprocess));
    if (!best.has_value() || filled.BetterThan(*best)) best.emplace(std::move(filled));
    if (best->lacking() == 0 && !LeavesBackboneOut(best->match, mapped)) break;
  }
  return *std::move(best);
}

absl::Status CheckComplete(const weights::WeightMatch& match) {
  std::vector<std::string> layers = match.mismatched;
  for (const std::string& layer : match.missing) layers.push_back(layer + ": not in the file");
  if (layers.empty()) return absl::OkStatus();
  const size_t more = layers.size() - std::min(layers.size(), kShownLayers);
  layers.resize(layers.size() - more);
  return absl::InvalidArgumentError(absl::StrFormat(
      "the file does not fill %s (%s): %s%s", match.backbone, match.Summary(),
      absl::StrJoin(layers, "; "), more == 0 ? "" : absl::StrFormat("; and %d more", more)));
}

std::string OriginText(const ImportedModel& imported) {
  const PretrainedModel& entry = imported.entry;
  std::string text = entry.has_origin() ? absl::StrCat(entry.origin().package(), " ",
                                                       entry.origin().version(), ": ")
                                        : "";
  absl::StrAppend(&text, imported.source);
  if (!entry.licence().empty()) absl::StrAppend(&text, ", ", entry.licence());
  return text;
}

void WriteRecord(ImportedModel& imported) {
  const PretrainedModel& entry = imported.entry;
  ModelRecord& record = imported.model.record;
  record.set_network(entry.network());
  record.set_arch(entry.backbone());
  *record.mutable_preprocess() = entry.preprocess();
  model::v1::LineageStep& step = *record.add_lineage();
  step.set_stage("import");
  step.set_version(kVersion);
  step.set_spec_sha256(
      Sha256Hex(absl::StrCat(entry.backbone(), " ", PixelsText(entry.preprocess()))));
  step.set_parent_sha256(imported.source_sha256);
  step.set_note(OriginText(imported));
}

}  // namespace

absl::Status CheckDigest(const std::string& file, const PretrainedModel& entry) {
  TY_ASSIGN_OR_RETURN(const std::string sha256, FileDigest(file));
  return DigestStatus(file, entry, sha256);
}

absl::StatusOr<ImportedModel> ImportWeights(const std::string& file, const PretrainedModel& entry) {
  // Read once, so that what is checked is what is taken.
  TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(file, weights::kMaxWeightBytes));
  const std::string sha256 = Sha256Hex(bytes);
  TY_RETURN_IF_ERROR(DigestStatus(file, entry, sha256));
  TY_ASSIGN_OR_RETURN(const weights::NamedWeights weights,
                      weights::ParseWeights(bytes, file, DirName(file)));
  auto imported = ImportWeights(weights, BaseName(file), sha256, entry);
  if (!imported.ok()) return Annotate(imported.status(), absl::StrCat("'", Shown(file), "'"));
  return imported;
}

absl::StatusOr<ImportedModel> ImportWeights(const weights::NamedWeights& weights,
                                            absl::string_view source,
                                            absl::string_view source_sha256,
                                            const PretrainedModel& entry) {
  TY_ASSIGN_OR_RETURN(const weights::MappedWeights mapped,
                      weights::MapToBackbone(weights, entry.backbone()));
  TY_ASSIGN_OR_RETURN(Filled filled, FillBest(mapped, entry.backbone(), entry.preprocess()));
  TY_RETURN_IF_ERROR(CheckComplete(filled.match));
  ImportedModel imported{.model = {std::move(filled.graph), {}},
                         .entry = entry,
                         .source = Shown(source),
                         .source_sha256 = std::string(source_sha256)};
  imported.entry.set_network(std::string(kBackboneNetwork));
  imported.entry.set_parameters(filled.match.backbone_parameters);
  imported.notes.push_back(filled.match.Summary());
  imported.notes.insert(imported.notes.end(), filled.match.notes.begin(), filled.match.notes.end());
  WriteRecord(imported);
  return imported;
}

absl::StatusOr<ImportedModel> ImportCheckpoint(const std::string& file, absl::string_view key,
                                               const PretrainedModel& entry) {
  TY_ASSIGN_OR_RETURN(const std::string sha256, FileDigest(file));
  TY_ASSIGN_OR_RETURN(sealing::SealedModel sealed,
                      sealing::LoadModel(file, {sealing::SealedKind::kCheckpoint}, key));
  const ModelRecord& record = sealed.model.record;
  if (!entry.backbone().empty() && entry.backbone() != record.arch()) {
    return absl::InvalidArgumentError(absl::StrFormat("'%s' is a %s, not a %s", Shown(file),
                                                      Shown(record.arch()), entry.backbone()));
  }
  PretrainedModel described = entry;
  described.set_network(record.network());
  described.set_backbone(record.arch());
  *described.mutable_preprocess() = record.preprocess();
  described.set_parameters(sealed.model.graph.ParameterCount());
  return ImportedModel{.model = std::move(sealed.model),
                       .entry = std::move(described),
                       .source = Shown(BaseName(file)),
                       .source_sha256 = sha256};
}

}  // namespace trainyard::pretrained
