#include "libs/networks/registry.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/data/picture_folder.h"
#include "libs/networks/classification/classification_family.h"
#include "libs/networks/ssd/ssd_family.h"

namespace trainyard::networks {
namespace {

// A line a network.
absl::Span<const NetworkFamily* const> Families() {
  static const NetworkFamily* const kFamilies[] = {&SsdFamily(), &ClassificationFamily()};
  return kFamilies;
}

}  // namespace

std::vector<std::string> NetworkNames() {
  std::vector<std::string> names;
  for (const NetworkFamily* family : Families()) names.emplace_back(family->name());
  return names;
}

std::string DefaultNetwork() { return std::string(Families().front()->name()); }

absl::StatusOr<const NetworkFamily*> FindNetwork(absl::string_view name) {
  for (const NetworkFamily* family : Families()) {
    if (family->name() == name) return family;
  }
  const std::vector<std::string> names = NetworkNames();
  return absl::NotFoundError(absl::StrCat("there is no network '", name, "'; known: ",
                                          absl::StrJoin(names, ", "), DidYouMean(name, names)));
}

absl::StatusOr<const NetworkFamily*> FamilyOf(const ModelRecord& record) {
  const auto family = FindNetwork(record.network());
  if (family.ok()) return family;
  return absl::UnimplementedError(
      absl::StrCat("network '", record.network(), "' has no head that can be decoded; known: ",
                   absl::StrJoin(NetworkNames(), ", ")));
}

absl::StatusOr<std::unique_ptr<Network>> CreateNetwork(absl::string_view name,
                                                       absl::string_view spec_text,
                                                       absl::string_view spec_name) {
  TY_ASSIGN_OR_RETURN(const NetworkFamily* family, FindNetwork(name));
  // The stage that asked has checked the spec for its use; here the least demanding one will do.
  TY_ASSIGN_OR_RETURN(SpecMessage spec,
                      family->Load(spec_text, spec_name, {}, spec::SpecUse::kExport, nullptr));
  return family->Create(std::move(spec));
}

TrainingFiles FilesOf(const ModelRecord& record) {
  if (const auto family = FindNetwork(record.network()); family.ok()) {
    return (*family)->Files(record);
  }
  const std::string name = absl::StrCat(record.network(), "_", record.arch());
  return {.checkpoint_prefix = name, .log = absl::StrCat(name, "_training_log.csv")};
}

SpecFields FieldsOf(absl::string_view network) {
  if (const auto family = FindNetwork(network); family.ok()) return (*family)->fields();
  return {.arch = "the architecture",
          .input = "the input",
          .epochs = "the number of epochs",
          .calmer = "lower the learning rate",
          .no_validation = "no validation data"};
}

absl::StatusOr<const tasks::Task*> TaskOf(const ModelRecord& record) {
  TY_ASSIGN_OR_RETURN(const NetworkFamily* family, FamilyOf(record));
  return &family->task();
}

absl::StatusOr<std::vector<std::string>> ListImagesFor(const ModelRecord& record,
                                                       const std::string& path,
                                                       std::vector<std::string>* notes) {
  const auto task = TaskOf(record);
  const bool below = task.ok() && (*task)->reads_folders_below();
  return below ? data::ListImagesBelow(path, notes) : data::ListImages(path, notes);
}

absl::StatusOr<std::unique_ptr<tasks::Head>> CreateHead(const ModelRecord& record) {
  TY_ASSIGN_OR_RETURN(const NetworkFamily* family, FamilyOf(record));
  return family->CreateHead(record);
}

absl::StatusOr<graph::Graph> LowerHead(const Model& model) {
  TY_ASSIGN_OR_RETURN(const NetworkFamily* family, FamilyOf(model.record));
  return family->LowerHead(model);
}

std::vector<std::string> OverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                          bool trains) {
  const auto family = FindNetwork(spec.network());
  if (!family.ok()) return {};
  return (*family)->OverriddenFields(spec, model, trains);
}

}  // namespace trainyard::networks
