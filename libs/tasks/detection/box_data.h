#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/data_use.h"
#include "libs/data/image_io.h"
#include "libs/data/opened_data.h"
#include "libs/data/sources.h"
#include "trainyard/spec/common/v1/dataset.pb.h"

namespace trainyard::tasks {

/// Where a detector's images and boxes come from.
struct BoxDataPlan {
  /// Label class -> training class, both lower-cased.
  std::vector<std::pair<std::string, std::string>> class_mapping;
  std::vector<data::DataSource> data_sources;
  std::vector<data::DataSource> validation_sources;
  /// The fold of a converted set that is validation data; -1 = none.
  int validation_fold = -1;
  bool include_difficult = true;
};

/// What a checked dataset_config says.
BoxDataPlan PlanOf(const spec::common::v1::DatasetConfig& data);

/// The classes that a mapping leads to: sorted, lower-cased.
std::vector<std::string> ClassesOf(const spec::common::v1::DatasetConfig& data);

struct OpenBoxOptions {
  data::DataUse use = data::DataUse::kTraining;
  /// Those of the model: the data's must be the same.
  std::vector<std::string> classes;
  /// The network's, for a word on objects that it does not hold.
  data::ImageSize input;
  /// Any refused label or image is an error.
  bool strict = false;
  /// That look the images through. >= 1.
  int threads = 1;
};

/// Opens the plan's data; its samples have BoxTruth. Validation data are the plan's validation sources,
/// else the validation fold of its converted sets; nothing when it has neither. Difficult objects are
/// kept in them, for evaluation counts them neither way.
///
/// Notes tell "training data: 3410 objects in 292 images (platelets 290, ...)", then what is left out,
/// what was noticed (libs/data/findings.h), and classes without objects or without a mapping. Warnings
/// are those on classes; validation data of which all objects are difficult; and, for training, no
/// validation data, validation on what is trained on, the same data twice (files and folders are
/// compared, not their spellings).
///
/// kInvalidArgument when the data's classes are not the model's, and when no object to train on is of a
/// class of the mapping, with the label classes that are there; else fails as OpenSources does, with
/// "training data" or "validation data" in front.
absl::StatusOr<std::optional<data::OpenedData>> OpenBoxData(const BoxDataPlan& plan,
                                                            const OpenBoxOptions& options);

}  // namespace trainyard::tasks
