#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/networks/family.h"

namespace trainyard::networks {

/// The names of all networks, in the order of the list.
std::vector<std::string> NetworkNames();

/// The first of the list: what is meant where none is named, as in pipelines that were written when it
/// was the only one.
std::string DefaultNetwork();

/// kNotFound with the known names. Never null.
absl::StatusOr<const NetworkFamily*> FindNetwork(absl::string_view name);

/// The family of the record's network. kUnimplemented when it is not known. Never null.
absl::StatusOr<const NetworkFamily*> FamilyOf(const ModelRecord& record);

/// Makes the network `name` from a canonical spec text. kNotFound with the known names; otherwise as
/// NetworkFamily::Load and Create say.
absl::StatusOr<std::unique_ptr<Network>> CreateNetwork(absl::string_view name,
                                                       absl::string_view spec_text,
                                                       absl::string_view spec_name);

/// NetworkFamily::Files of the record's network; `<network>_<arch>` names them when it is not known.
TrainingFiles FilesOf(const ModelRecord& record);

/// NetworkFamily::fields of the network; general words when it is not known.
SpecFields FieldsOf(absl::string_view network);

/// What the record's network predicts. kUnimplemented when it is not known.
absl::StatusOr<const tasks::Task*> TaskOf(const ModelRecord& record);

/// The pictures of a folder for an inference or a calibration: with those below it when the record's task
/// reads them (ListImages and ListImagesBelow of libs/data/picture_folder.h, which see).
absl::StatusOr<std::vector<std::string>> ListImagesFor(const ModelRecord& record,
                                                       const std::string& path,
                                                       std::vector<std::string>* notes);

/// NetworkFamily::CreateHead of the record's network. kUnimplemented when it is not known.
absl::StatusOr<std::unique_ptr<tasks::Head>> CreateHead(const ModelRecord& record);

/// NetworkFamily::LowerHead of the model's network. kUnimplemented when it is not known.
absl::StatusOr<graph::Graph> LowerHead(const Model& model);

/// NetworkFamily::OverriddenFields of the spec's network; nothing when it is not known.
std::vector<std::string> OverriddenFields(const ModelRecord& spec, const ModelRecord& model,
                                          bool trains);

}  // namespace trainyard::networks
