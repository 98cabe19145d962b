#include "libs/weights/map_names.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/layers/backbone.h"
#include "libs/weights/internal/name_rules.h"

namespace trainyard::weights {
namespace {

/// Our name of a tensor by the file's.
using NameMap = std::map<std::string, std::string>;

/// What programs put in front of a backbone's names.
constexpr absl::string_view kPrefixes[] = {"",          "module.",         "model.",
                                           "backbone.", "model.backbone.", "backbone.body."};
constexpr absl::string_view kOwnNaming = "Trainyard";
constexpr size_t kShownNames = 3;

/// The backbone itself, with all layers that its options may bring: names cannot differ from it.
struct Reference {
  std::set<std::string> layers;
  NameMap own_names;
};

absl::StatusOr<Reference> BuildReference(const layers::BackboneOptions& options) {
  constexpr int64_t kSize = 64;  // no layer's weights depend on it
  graph::GraphBuilder builder("reference");
  const layers::FeatureMap input{.value = builder.Input("Input", {-1, 3, kSize, kSize}),
                                 .channels = 3,
                                 .height = kSize,
                                 .width = kSize};
  TY_ASSIGN_OR_RETURN(const layers::Backbone backbone,
                      layers::AddBackbone(builder, options, input));
  Reference reference;
  const auto add = [&reference](const std::string& layer, bool is_norm) {
    reference.layers.insert(layer);
    for (const weights::RoleRule& role : weights::RolesOf(is_norm)) {
      const std::string name = absl::StrCat(layer, "/", role.ours);
      reference.own_names.emplace(name, name);
    }
  };
  for (const layers::BackboneBlock& block : backbone.blocks) {
    for (const std::string& layer : block.convolutions) add(layer, false);
    for (const std::string& layer : block.batch_norms) add(layer, true);
  }
  return reference;
}

NameMap NamesOf(const weights::Naming& naming, absl::string_view prefix) {
  NameMap names;
  for (const weights::LayerRule& layer : naming.layers) {
    for (const weights::RoleRule& role : weights::RolesOf(layer.is_norm)) {
      names.emplace(absl::StrCat(prefix, layer.theirs, ".", role.theirs),
                    absl::StrCat(layer.ours, "/", role.ours));
    }
  }
  return names;
}

size_t CountKnown(const NamedWeights& weights, const NameMap& names) {
  size_t count = 0;
  for (const auto& [name, unused] : weights.tensors) count += names.count(name);
  return count;
}

/// A naming that could be the file's.
struct Candidate {
  std::string name;
  NameMap names;
  std::vector<std::string> notes;
};

/// The one that knows most of the file's names; with a count of 0 when none knows any.
std::pair<Candidate, size_t> BestCandidate(const NamedWeights& weights,
                                           const std::vector<weights::Naming>& namings,
                                           const Reference& reference) {
  Candidate best{std::string(kOwnNaming), reference.own_names, {}};
  size_t most = CountKnown(weights, best.names);
  for (const weights::Naming& naming : namings) {
    for (const absl::string_view prefix : kPrefixes) {
      NameMap names = NamesOf(naming, prefix);
      const size_t count = CountKnown(weights, names);
      if (count <= most) continue;
      most = count;
      best = {naming.name, std::move(names), naming.notes};
    }
  }
  return {std::move(best), most};
}

absl::Status NoneKnown(const NamedWeights& weights, absl::string_view backbone,
                       const std::vector<weights::Naming>& namings) {
  std::vector<std::string> shown, known = {std::string(kOwnNaming)};
  for (const auto& [name, unused] : weights.tensors) {
    if (shown.size() < kShownNames) shown.push_back(absl::StrCat("'", Shown(name), "'"));
  }
  for (const weights::Naming& naming : namings) known.push_back(naming.name);
  return absl::InvalidArgumentError(absl::StrFormat(
      "none of the file's %d tensors (%s...) has a name of %s; known are the names of %s",
      weights.tensors.size(), absl::StrJoin(shown, ", "), backbone, absl::StrJoin(known, ", ")));
}

}  // namespace

absl::StatusOr<MappedWeights> MapToBackbone(const NamedWeights& weights,
                                            absl::string_view backbone) {
  TY_ASSIGN_OR_RETURN(const layers::BackboneOptions options, layers::BackboneOfName(backbone));
  TY_ASSIGN_OR_RETURN(Reference reference, BuildReference(options));
  const std::vector<weights::Naming> namings = weights::NamingsOf(options);
  const auto [naming, known] = BestCandidate(weights, namings, reference);
  if (known == 0) return NoneKnown(weights, backbone, namings);

  MappedWeights mapped{.backbone = std::string(backbone), .naming = naming.name};
  mapped.layers = std::move(reference.layers);
  mapped.notes = weights.notes;
  mapped.notes.insert(mapped.notes.end(), naming.notes.begin(), naming.notes.end());
  for (const auto& [name, tensor] : weights.tensors) {
    const auto found = naming.names.find(name);
    if (found != naming.names.end()) {
      mapped.tensors[found->second] = {name, tensor};
    } else if (naming.name == kOwnNaming) {
      mapped.tensors[name] = {name, tensor};  // a head's
    } else {
      mapped.unused.push_back(name);
    }
  }
  return mapped;
}

}  // namespace trainyard::weights
