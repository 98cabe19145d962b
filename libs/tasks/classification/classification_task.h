#pragma once

#include <string>

#include "absl/types/span.h"
#include "libs/tasks/task.h"

namespace trainyard::tasks {

/// Telling which of several classes a picture shows. Its truth is ClassTruth, its heads are
/// ClassifierHeads.
const Task& ClassificationTask();

/// The text of TAO's classmap.json, which maps the names of classes to their numbers, from 0 on, in
/// their order: `{"cat": 0, "dog": 1}`.
std::string ClassMapJson(absl::Span<const std::string> classes);

}  // namespace trainyard::tasks
