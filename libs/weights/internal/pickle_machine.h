#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/weights/internal/pickle.h"

namespace trainyard::weights {

/// The kInvalidArgument for a pickle that wants more than tensors, and for one that has no sense.
absl::Status PickleRefused(absl::string_view wanted);
absl::Status PickleNoSense(absl::string_view what);

/// Python's unpickler without its powers: a stack, marks on it, and a memo.
class PickleMachine {
 public:
  explicit PickleMachine(absl::string_view bytes) : bytes_(bytes) {}

  absl::Status Run();
  size_t place() const { return place_; }
  Pickle Take() { return std::move(pickle_); }

 private:
  using Kind = PickleValue::Kind;

  absl::Status Step(uint8_t opcode);
  absl::Status StepText(uint8_t opcode);
  absl::Status StepMemo(uint8_t opcode);
  absl::Status StepCollection(uint8_t opcode);
  absl::Status StepCall(uint8_t opcode);

  /// The next bytes of the pickle. kDataLoss when it ends before.
  absl::StatusOr<absl::string_view> Bytes(uint64_t count);
  /// A little-endian number of 1, 2, 4 or 8 bytes.
  absl::StatusOr<uint64_t> Unsigned(size_t bytes);
  absl::StatusOr<absl::string_view> Line();

  PickleValue* Make(Kind kind);
  void Push(Kind kind, int64_t integer = 0) { Make(kind)->integer = integer; }
  absl::StatusOr<PickleValue*> Pop();
  absl::StatusOr<PickleValue*> Top();
  /// All above the last mark; the mark goes as well.
  absl::StatusOr<std::vector<PickleValue*>> PopToMark();

  absl::Status PushText(uint64_t bytes);
  absl::Status PushLong(uint64_t bytes);
  absl::Status PushTuple(size_t count);
  absl::Status Put(uint64_t index);
  absl::Status Get(uint64_t index);
  absl::Status SetItems(const std::vector<PickleValue*>& items);
  absl::Status AppendItems(const std::vector<PickleValue*>& items);
  absl::Status PushGlobal(absl::string_view module, absl::string_view name);
  absl::Status Reduce();
  absl::Status PushOrderedDict(const PickleValue& arguments);
  absl::Status PushTensor(const PickleValue& arguments);
  absl::Status Build();
  absl::Status PersistentId();

  absl::string_view bytes_;
  size_t place_ = 0;
  bool stopped_ = false;
  /// Counts opcodes, and what is copied by one.
  int64_t work_ = 0;
  std::vector<PickleValue*> stack_;
  /// Heights of the stack.
  std::vector<size_t> marks_;
  std::map<uint64_t, PickleValue*> memo_;
  Pickle pickle_;
};

}  // namespace trainyard::weights
