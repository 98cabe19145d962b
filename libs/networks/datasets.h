#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/data/sources.h"
#include "libs/networks/network.h"

namespace trainyard {

/// Opens the plan's training data. kInvalidArgument when its classes are not `classes`, and when no
/// object in it is of a class of the mapping, with the label classes that are there; else fails as
/// OpenSources does, with "training data" in front.
absl::StatusOr<OpenedSources> OpenTrainingData(const TrainingPlan& plan,
                                               const std::vector<std::string>& classes, bool strict,
                                               int threads);

/// Opens the plan's validation data: its validation sources, else the validation fold of its converted
/// sets; nothing when it has neither. Difficult objects are kept, for evaluation
/// counts them neither way. Fails as OpenTrainingData does.
absl::StatusOr<std::optional<OpenedSources>> OpenValidationData(
    const TrainingPlan& plan, const std::vector<std::string>& classes, bool strict, int threads);

/// What a person should know of opened sources: "training data: 3410 objects in 292 images (platelets
/// 290, ...)", then what is left out, what was noticed (libs/data/findings.h) and classes without
/// objects or without a mapping: nothing happens to data without a line here. All of it
/// is UTF-8; other bytes of names are escaped.
std::vector<std::string> DescribeSources(absl::string_view what, const OpenedSources& sources);

/// Those lines of DescribeSources that tell what is probably not meant, to be said before the work
/// begins: classes without an object or without a mapping, with their numbers; validation data of
/// which all objects are difficult.
std::vector<std::string> WarningsOf(absl::string_view what, const OpenedSources& sources);

/// What is probably not meant in a training on `images` images: no validation data, validation on
/// what is trained on, the same data twice (files and folders are compared, not their spellings), a
/// batch beyond the set.
std::vector<std::string> WarningsOf(const TrainingPlan& plan, int64_t images);

}  // namespace trainyard
