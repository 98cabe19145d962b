#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/weights/internal/tensor_collector.h"

namespace trainyard::weights {

/// A value that a pickle made. Values refer to each other, in circles if the file wants so: who
/// walks them bounds the depth.
struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInt,
    kFloat,
    /// Also bytes.
    kText,
    kTuple,
    kList,
    /// Dicts and OrderedDicts: keys and values take turns in `items`.
    kDict,
    /// `text` is its name, "torch.FloatStorage".
    kGlobal,
    /// `text` is its key, `integer` the number of its elements, `type` theirs.
    kStorage,
    /// `items` are storage, offset, sizes and strides: a storage, an int and two tuples.
    kTensor,
  };
  Kind kind = Kind::kNone;
  int64_t integer = 0;
  /// A part of the pickle.
  absl::string_view text;
  const ElementType* type = nullptr;
  std::vector<const PickleValue*> items;
};

/// What a Python pickle holds, read by a machine that makes values and runs nothing: it knows the
/// binary opcodes (protocols 2 to 5) that dicts of tensors are written with, and of functions and
/// classes those of torch's tensors, parameters and storages and collections.OrderedDict.
class Pickle {
 public:
  /// Reads one pickle from the head of `bytes`, which must outlive it, through its STOP, and takes
  /// it off. kInvalidArgument, with the place, for whatever else the pickle wants to make or run
  /// ("wants to run os.system; only tensors are read"), for opcodes that have no sense there, and
  /// for one with more than a million opcodes, 1,000 open marks or memo indices beyond a million;
  /// kDataLoss when it ends before its STOP.
  static absl::StatusOr<Pickle> Parse(absl::string_view& bytes);

  const PickleValue& root() const { return *root_; }
  /// All storages that the pickle names, by key. Storages of a key agree in type and number.
  const std::map<absl::string_view, const PickleValue*>& storages() const { return storages_; }

 private:
  friend class PickleMachine;
  // A deque, whose elements stay where they are: values point at each other, and moving keeps them.
  std::deque<PickleValue> values_;
  const PickleValue* root_ = nullptr;
  std::map<absl::string_view, const PickleValue*> storages_;
};

}  // namespace trainyard::weights
