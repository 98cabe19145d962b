#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/class_folders.h"
#include "libs/data/ledger.h"
#include "libs/data/sample.h"

namespace trainyard::data {

struct ClassSourceOptions {
  /// Any picture that cannot be decoded is an error.
  bool strict = false;
  /// Threads that look the pictures through while opening. >= 1.
  int threads = 1;
};

/// Pictures with ClassTruth, and what was seen on the way.
struct OpenedClasses {
  /// Class by class in the order of the folders, within one sorted by path. A sample's id is its
  /// path.
  std::unique_ptr<SampleSource> source;
  /// Pictures by class number.
  std::vector<int64_t> counts;
  Ledger ledger;
};

/// Opens class folders as samples; class i is `classes[i]`, among which every folder's name must
/// be. Each picture is looked through once, so that one that cannot be decoded becomes an entry of
/// the ledger and is left out; only names stay in memory, and pictures are decoded on each Get.
///
/// kInvalidArgument as Ledger::Check; kNotFound when no picture is left.
absl::StatusOr<OpenedClasses> OpenClassFolders(const ClassFolders& folders,
                                               absl::Span<const std::string> classes,
                                               const ClassSourceOptions& options);

}  // namespace trainyard::data
