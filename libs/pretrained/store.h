#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/pretrained/convert.h"
#include "libs/pretrained/entry.h"

namespace trainyard::pretrained {

using model::v1::StoredPretrainedModel;

/// A model of the table or of a store.
struct ListedModel {
  PretrainedModel model;
  /// Whether it is one of BuiltInModels.
  bool built_in = false;
  /// What its JSON file says; nothing when it is not in the store, or cannot be used.
  std::optional<StoredPretrainedModel> stored;
  /// Why the store's files cannot be used; OK when they can, or are not there.
  absl::Status problem;
};

/// A folder of pretrained models: `<name>.tlt`, sealed with its owner's key, and `<name>.json`
/// (StoredPretrainedModel) beside each. Specs name the first as any other model file. Other files
/// of the folder are left alone, but a JSON file that is no record is told.
///
/// Files appear under their names whole, the record first: a model without a record is none of
/// this store's and is never replaced or removed; a record without a model is left of an Add or
/// Remove that was cut off, and may be. Thread-compatible; two programs that add the same model at
/// the same time leave one of them.
class ModelStore {
 public:
  /// The folder need not be there before the first Add.
  explicit ModelStore(std::string folder) : folder_(std::move(folder)) {}

  const std::string& folder() const { return folder_; }

  /// The built-in models, here or not, then the store's own, each by name. What is damaged is among
  /// them, with its problem. Models themselves are not read: see CheckWhole. kInternal or
  /// kPermissionDenied when the folder cannot be read.
  absl::StatusOr<std::vector<ListedModel>> List() const;

  /// kNotFound, with the nearest name and all others; kInvalidArgument as CheckModelName.
  absl::StatusOr<ListedModel> Find(absl::string_view name) const;

  /// Where the model of this name lies, or would. `name` is one that CheckModelName takes.
  std::string Path(absl::string_view name) const;

  /// kDataLoss, with both digests, unless the file of a stored model is what was stored. Takes as
  /// long as reading it.
  absl::Status CheckWhole(const StoredPretrainedModel& stored) const;

  /// Whether Add would take a model of this entry, before the work of making it: kAlreadyExists
  /// when the name is taken, by a stored model, by a built-in one that this is not, or by a file
  /// that is none of this store's; kInvalidArgument as CheckModelName.
  absl::Status CheckFree(const PretrainedModel& model) const;

  /// Seals the model under `key` and stores it with its record; makes the folder. The same model
  /// and key give the same bytes. Fails as CheckFree and SaveModel; nothing is stored then.
  absl::StatusOr<StoredPretrainedModel> Add(const ImportedModel& imported, absl::string_view key);

  /// Removes both files, whatever is wrong with them. kNotFound when there is no record.
  absl::Status Remove(absl::string_view name);

 private:
  std::string RecordPath(absl::string_view name) const;
  /// Nothing when there is no record. kDataLoss, with its path, for one that cannot be used.
  absl::StatusOr<std::optional<StoredPretrainedModel>> ReadRecord(const std::string& name) const;
  /// What the store has of a name.
  ListedModel Look(const std::string& name) const;
  std::string folder_;
};

}  // namespace trainyard::pretrained
