// CPython's Lib/pickletools.py describes every opcode; torch/_utils.py and torch/serialization.py
// what the functions and persistent ids of a state dict are called with.

#include "libs/weights/internal/pickle.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"

namespace trainyard::weights {
namespace {

using Kind = PickleValue::Kind;

constexpr int64_t kMostOpcodes = 1'000'000;
constexpr size_t kMostMarks = 1000, kMostGlobalBytes = 1024, kMostDimensions = 16;
constexpr uint64_t kMostMemo = 1'000'000;

constexpr absl::string_view kOrderedDict = "collections.OrderedDict";
constexpr absl::string_view kTensorV1 = "torch._utils._rebuild_tensor";
constexpr absl::string_view kTensorV2 = "torch._utils._rebuild_tensor_v2";
constexpr absl::string_view kParameter = "torch._utils._rebuild_parameter";

const std::map<absl::string_view, ElementType>& StorageTypes() {
  static const auto& types = *new std::map<absl::string_view, ElementType>{
      {"FloatStorage", {"f32", 4, Encoding::kFloat32}},
      {"HalfStorage", {"f16", 2, Encoding::kFloat16}},
      {"BFloat16Storage", {"bf16", 2, Encoding::kBFloat16}},
      {"DoubleStorage", {"f64", 8, Encoding::kFloat64}},
      {"LongStorage", {"i64", 8, Encoding::kNotFloat}},
      {"IntStorage", {"i32", 4, Encoding::kNotFloat}},
      {"ShortStorage", {"i16", 2, Encoding::kNotFloat}},
      {"CharStorage", {"i8", 1, Encoding::kNotFloat}},
      {"ByteStorage", {"u8", 1, Encoding::kNotFloat}},
      {"BoolStorage", {"bool", 1, Encoding::kNotFloat}},
  };
  return types;
}

/// The element type of "torch.FloatStorage" or "torch.cuda.FloatStorage"; nullptr for other names.
const ElementType* StorageType(absl::string_view global) {
  if (!absl::ConsumePrefix(&global, "torch.")) return nullptr;
  absl::ConsumePrefix(&global, "cuda.");
  const auto found = StorageTypes().find(global);
  return found == StorageTypes().end() ? nullptr : &found->second;
}

/// The names that the machine knows, which outlive any pickle; "" for all others.
absl::string_view KnownGlobal(absl::string_view module, absl::string_view name) {
  static const auto& known = *[] {
    auto* names = new std::map<std::string, int>;
    for (const absl::string_view one : {kOrderedDict, kTensorV1, kTensorV2, kParameter}) {
      names->emplace(one, 0);
    }
    for (const auto& [type, unused] : StorageTypes()) {
      names->emplace(absl::StrCat("torch.", type), 0);
      names->emplace(absl::StrCat("torch.cuda.", type), 0);
    }
    return names;
  }();
  const auto found = known.find(absl::StrCat(module, ".", name));
  return found == known.end() ? absl::string_view() : absl::string_view(found->first);
}

absl::Status Refused(absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("the file wants to run ", Shown(wanted),
                   "; only tensors are read. Save the weights alone, in PyTorch with "
                   "torch.save(model.state_dict(), path)"));
}

absl::Status NoSense(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("is no pickle of a state dict: ", what));
}

bool IsIntTuple(const PickleValue& value) {
  if (value.kind != Kind::kTuple || value.items.size() > kMostDimensions) return false;
  for (const PickleValue* item : value.items) {
    if (item->kind != Kind::kInt) return false;
  }
  return true;
}

}  // namespace

/// Python's unpickler without its powers: a stack, marks on it, and a memo.
class PickleMachine {
 public:
  explicit PickleMachine(absl::string_view bytes) : bytes_(bytes) {}

  absl::Status Run();
  size_t place() const { return place_; }
  Pickle Take() { return std::move(pickle_); }

 private:
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

absl::StatusOr<absl::string_view> PickleMachine::Bytes(uint64_t count) {
  if (count > bytes_.size() - place_) {
    return absl::DataLossError("the pickle is cut short: it ends before its last opcode");
  }
  const absl::string_view part = bytes_.substr(place_, count);
  place_ += count;
  return part;
}

absl::StatusOr<uint64_t> PickleMachine::Unsigned(size_t bytes) {
  TY_ASSIGN_OR_RETURN(const absl::string_view part, Bytes(bytes));
  uint64_t value = 0;
  std::memcpy(&value, part.data(), bytes);
  return value;
}

absl::StatusOr<absl::string_view> PickleMachine::Line() {
  const size_t end = bytes_.substr(place_, kMostGlobalBytes).find('\n');
  if (end == absl::string_view::npos) return NoSense("a name in it has no end");
  TY_ASSIGN_OR_RETURN(const absl::string_view line, Bytes(end + 1));
  return line.substr(0, end);
}

PickleValue* PickleMachine::Make(Kind kind) {
  pickle_.values_.push_back({.kind = kind});
  stack_.push_back(&pickle_.values_.back());
  return stack_.back();
}

absl::StatusOr<PickleValue*> PickleMachine::Top() {
  const size_t bottom = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= bottom) return NoSense("an opcode finds nothing on the stack");
  return stack_.back();
}

absl::StatusOr<PickleValue*> PickleMachine::Pop() {
  TY_ASSIGN_OR_RETURN(PickleValue* const top, Top());
  stack_.pop_back();
  return top;
}

absl::StatusOr<std::vector<PickleValue*>> PickleMachine::PopToMark() {
  if (marks_.empty()) return NoSense("an opcode finds no mark");
  const auto begin = stack_.begin() + static_cast<int64_t>(marks_.back());
  std::vector<PickleValue*> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

absl::Status PickleMachine::PushText(uint64_t bytes) {
  TY_ASSIGN_OR_RETURN(const absl::string_view text, Bytes(bytes));
  Make(Kind::kText)->text = text;
  return absl::OkStatus();
}

absl::Status PickleMachine::PushLong(uint64_t bytes) {
  TY_ASSIGN_OR_RETURN(const absl::string_view text, Bytes(bytes));
  if (bytes > 8) return NoSense("an integer in it has more than 64 bits");
  // Two's complement: the last byte has the sign.
  uint64_t value = bytes > 0 && (text.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
  std::memcpy(&value, text.data(), bytes);
  Push(Kind::kInt, static_cast<int64_t>(value));
  return absl::OkStatus();
}

absl::Status PickleMachine::PushTuple(size_t count) {
  std::vector<const PickleValue*> items(count);
  while (count-- > 0) {
    TY_ASSIGN_OR_RETURN(items[count], Pop());
  }
  Make(Kind::kTuple)->items = std::move(items);
  return absl::OkStatus();
}

absl::Status PickleMachine::Put(uint64_t index) {
  if (index >= kMostMemo) return NoSense(absl::StrCat("memo ", index, " is beyond a million"));
  TY_ASSIGN_OR_RETURN(memo_[index], Top());
  return absl::OkStatus();
}

absl::Status PickleMachine::Get(uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end() || found->second == nullptr) {
    return NoSense(absl::StrCat("memo ", index, " is not there"));
  }
  stack_.push_back(found->second);
  return absl::OkStatus();
}

absl::Status PickleMachine::SetItems(const std::vector<PickleValue*>& items) {
  TY_ASSIGN_OR_RETURN(PickleValue* const dict, Top());
  if (dict->kind != Kind::kDict || items.size() % 2 != 0) {
    return NoSense("items are set on what is no dict, or a key has no value");
  }
  dict->items.insert(dict->items.end(), items.begin(), items.end());
  return absl::OkStatus();
}

absl::Status PickleMachine::AppendItems(const std::vector<PickleValue*>& items) {
  TY_ASSIGN_OR_RETURN(PickleValue* const list, Top());
  if (list->kind != Kind::kList) return NoSense("something is appended to what is no list");
  list->items.insert(list->items.end(), items.begin(), items.end());
  return absl::OkStatus();
}

absl::Status PickleMachine::PushGlobal(absl::string_view module, absl::string_view name) {
  const absl::string_view known = KnownGlobal(module, name);
  if (known.empty()) return Refused(absl::StrCat(module.substr(0, 100), ".", name.substr(0, 100)));
  PickleValue* const global = Make(Kind::kGlobal);
  global->text = known;
  global->type = StorageType(known);
  return absl::OkStatus();
}

absl::Status PickleMachine::Reduce() {
  TY_ASSIGN_OR_RETURN(const PickleValue* const arguments, Pop());
  TY_ASSIGN_OR_RETURN(const PickleValue* const callee, Pop());
  if (callee->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) {
    return NoSense("what is no function is called");
  }
  if (callee->text == kOrderedDict) return PushOrderedDict(*arguments);
  if (callee->text == kTensorV1 || callee->text == kTensorV2) return PushTensor(*arguments);
  if (callee->text == kParameter) {
    // The tensor, whether it wants gradients, and hooks.
    if (arguments->items.empty() || arguments->items[0]->kind != Kind::kTensor) {
      return NoSense("a parameter has no tensor");
    }
    *Make(Kind::kTensor) = *arguments->items[0];
    return absl::OkStatus();
  }
  return Refused(callee->text);
}

/// Empty, or (Python 2) with a list of pairs.
absl::Status PickleMachine::PushOrderedDict(const PickleValue& arguments) {
  std::vector<const PickleValue*> items;
  if (!arguments.items.empty()) {
    const PickleValue& list = *arguments.items[0];
    work_ += static_cast<int64_t>(list.items.size());
    for (const PickleValue* pair : list.items) {
      const bool sequence = pair->kind == Kind::kList || pair->kind == Kind::kTuple;
      if (list.kind != Kind::kList || !sequence || pair->items.size() != 2) {
        return NoSense("an OrderedDict is made of what are no pairs");
      }
      items.insert(items.end(), pair->items.begin(), pair->items.end());
    }
  }
  Make(Kind::kDict)->items = std::move(items);
  return absl::OkStatus();
}

/// Storage, offset, sizes and strides; whether it wants gradients and what more there is are
/// nothing to us.
absl::Status PickleMachine::PushTensor(const PickleValue& arguments) {
  const auto& items = arguments.items;
  const bool fits = items.size() >= 4 && items[0]->kind == Kind::kStorage &&
                    items[1]->kind == Kind::kInt && IsIntTuple(*items[2]) && IsIntTuple(*items[3]);
  if (!fits) {
    return NoSense(absl::StrFormat(
        "a tensor is not made of a storage, an offset, and at most %d sizes and strides",
        kMostDimensions));
  }
  Make(Kind::kTensor)->items.assign(items.begin(), items.begin() + 4);
  return absl::OkStatus();
}

/// A module's dict of versions (`_metadata`) hangs on an OrderedDict this way; no weight does.
absl::Status PickleMachine::Build() {
  TY_RETURN_IF_ERROR(Pop());
  TY_ASSIGN_OR_RETURN(const PickleValue* const target, Top());
  if (target->kind != Kind::kDict) return NoSense("a state is set on what is no dict");
  return absl::OkStatus();
}

/// ("storage", its class, key, device, number of elements), and None before 1.6: a part of another
/// storage else.
absl::Status PickleMachine::PersistentId() {
  TY_ASSIGN_OR_RETURN(const PickleValue* const id, Pop());
  const auto& items = id->items;
  const bool fits = id->kind == Kind::kTuple && items.size() >= 5 &&
                    items[0]->kind == Kind::kText && items[0]->text == "storage" &&
                    items[1]->type != nullptr && items[2]->kind == Kind::kText &&
                    items[4]->kind == Kind::kInt && items[4]->integer >= 0;
  if (!fits) return NoSense("a persistent id is no storage of PyTorch");
  if (items.size() > 5 && items[5]->kind != Kind::kNone) {
    return absl::UnimplementedError(
        "storages that are parts of others, of PyTorch before 0.4, are not read: save the file "
        "again with a newer PyTorch");
  }
  PickleValue* const storage = Make(Kind::kStorage);
  storage->text = items[2]->text;
  storage->integer = items[4]->integer;
  storage->type = items[1]->type;
  const PickleValue& first = *pickle_.storages_.emplace(storage->text, storage).first->second;
  if (first.type != storage->type || first.integer != storage->integer) {
    return NoSense(absl::StrCat("storage '", Shown(storage->text),
                                "' is there twice, with other types or sizes"));
  }
  return absl::OkStatus();
}

absl::Status PickleMachine::StepText(uint8_t opcode) {
  size_t length_bytes = 4;
  switch (opcode) {
    case 'U':   // SHORT_BINSTRING
    case 'C':   // SHORT_BINBYTES
    case 0x8c:  // SHORT_BINUNICODE
      length_bytes = 1;
      break;
    case 0x8d:  // BINUNICODE8
    case 0x8e:  // BINBYTES8
      length_bytes = 8;
      break;
    default:  // BINSTRING, BINBYTES, BINUNICODE
      break;
  }
  TY_ASSIGN_OR_RETURN(const uint64_t bytes, Unsigned(length_bytes));
  return PushText(bytes);
}

absl::Status PickleMachine::StepMemo(uint8_t opcode) {
  if (opcode == 0x94) return Put(memo_.size());  // MEMOIZE
  const bool is_long = opcode == 'r' || opcode == 'j';
  TY_ASSIGN_OR_RETURN(const uint64_t index, Unsigned(is_long ? 4 : 1));
  return opcode == 'q' || opcode == 'r' ? Put(index) : Get(index);
}

absl::Status PickleMachine::StepCollection(uint8_t opcode) {
  switch (opcode) {
    case 't': {  // TUPLE
      TY_ASSIGN_OR_RETURN(const auto items, PopToMark());
      Make(Kind::kTuple)->items.assign(items.begin(), items.end());
      return absl::OkStatus();
    }
    case 'l': {  // LIST
      TY_ASSIGN_OR_RETURN(const auto items, PopToMark());
      Make(Kind::kList)->items.assign(items.begin(), items.end());
      return absl::OkStatus();
    }
    case 'a': {  // APPEND
      TY_ASSIGN_OR_RETURN(PickleValue* const item, Pop());
      return AppendItems({item});
    }
    case 'e': {  // APPENDS
      TY_ASSIGN_OR_RETURN(const auto items, PopToMark());
      return AppendItems(items);
    }
    case 's': {  // SETITEM
      TY_ASSIGN_OR_RETURN(PickleValue* const value, Pop());
      TY_ASSIGN_OR_RETURN(PickleValue* const key, Pop());
      return SetItems({key, value});
    }
    default: {  // SETITEMS
      TY_ASSIGN_OR_RETURN(const auto items, PopToMark());
      return SetItems(items);
    }
  }
}

/// What Python would run something for.
absl::Status PickleMachine::StepCall(uint8_t opcode) {
  switch (opcode) {
    case 'c': {  // GLOBAL
      TY_ASSIGN_OR_RETURN(const absl::string_view module, Line());
      TY_ASSIGN_OR_RETURN(const absl::string_view name, Line());
      return PushGlobal(module, name);
    }
    case 0x93: {  // STACK_GLOBAL
      TY_ASSIGN_OR_RETURN(const PickleValue* const name, Pop());
      TY_ASSIGN_OR_RETURN(const PickleValue* const module, Pop());
      return PushGlobal(module->text, name->text);
    }
    case 'i': {  // INST
      TY_ASSIGN_OR_RETURN(const absl::string_view module, Line());
      TY_ASSIGN_OR_RETURN(const absl::string_view name, Line());
      return Refused(absl::StrCat(module.substr(0, 100), ".", name.substr(0, 100)));
    }
    case 'R':
      return Reduce();
    case 'b':
      return Build();
    default:  // BINPERSID
      return PersistentId();
  }
}

absl::Status PickleMachine::Step(uint8_t opcode) {
  switch (opcode) {
    case '.': {  // STOP
      TY_ASSIGN_OR_RETURN(pickle_.root_, Pop());
      stopped_ = true;
      return absl::OkStatus();
    }
    case 0x80:  // PROTO
      return Bytes(1).status();
    case 0x95:  // FRAME: a hint for readers of streams.
      return Bytes(8).status();
    case '(':
      marks_.push_back(stack_.size());
      return marks_.size() <= kMostMarks ? absl::OkStatus() : NoSense("it is nested too deep");
    case '0':
      return Pop().status();
    case '1':
      return PopToMark().status();
    case '2': {
      TY_ASSIGN_OR_RETURN(PickleValue* const top, Top());
      stack_.push_back(top);
      return absl::OkStatus();
    }
    case 'N':
      Push(Kind::kNone);
      return absl::OkStatus();
    case 0x88:
    case 0x89:
      Push(Kind::kBool, opcode == 0x88 ? 1 : 0);
      return absl::OkStatus();
    case 'J': {  // BININT is signed, BININT1 and BININT2 are not.
      TY_ASSIGN_OR_RETURN(const uint64_t value, Unsigned(4));
      Push(Kind::kInt, static_cast<int32_t>(value));
      return absl::OkStatus();
    }
    case 'K':
    case 'M': {
      TY_ASSIGN_OR_RETURN(const uint64_t value, Unsigned(opcode == 'K' ? 1 : 2));
      Push(Kind::kInt, static_cast<int64_t>(value));
      return absl::OkStatus();
    }
    case 0x8a:    // LONG1
    case 0x8b: {  // LONG4
      TY_ASSIGN_OR_RETURN(const uint64_t bytes, Unsigned(opcode == 0x8a ? 1 : 4));
      return PushLong(bytes);
    }
    case 'G':  // BINFLOAT; nobody asks for its value.
      Push(Kind::kFloat);
      return Bytes(8).status();
    case '}':
      Push(Kind::kDict);
      return absl::OkStatus();
    case ']':
      Push(Kind::kList);
      return absl::OkStatus();
    case ')':
      Push(Kind::kTuple);
      return absl::OkStatus();
    case 0x85:
    case 0x86:
    case 0x87:
      return PushTuple(opcode - 0x84u);
    case 'U':
    case 'T':
    case 'X':
    case 'B':
    case 'C':
    case 0x8c:
    case 0x8d:
    case 0x8e:
      return StepText(opcode);
    case 'q':
    case 'r':
    case 'h':
    case 'j':
    case 0x94:
      return StepMemo(opcode);
    case 't':
    case 'l':
    case 'a':
    case 'e':
    case 's':
    case 'u':
      return StepCollection(opcode);
    case 'c':
    case 'i':
    case 'R':
    case 'b':
    case 'Q':
    case 0x93:
      return StepCall(opcode);
    default:
      return NoSense(absl::StrFormat("opcode 0x%02x is in none", opcode));
  }
}

absl::Status PickleMachine::Run() {
  while (!stopped_) {
    const size_t begin = place_;
    if (++work_ > kMostOpcodes) return NoSense("it has more than a million opcodes");
    TY_ASSIGN_OR_RETURN(const uint64_t opcode, Unsigned(1));
    TY_RETURN_IF_ERROR(Annotate(Step(static_cast<uint8_t>(opcode)),
                                absl::StrCat("byte ", begin, " of its pickle")));
  }
  return absl::OkStatus();
}

absl::StatusOr<Pickle> Pickle::Parse(absl::string_view& bytes) {
  PickleMachine machine(bytes);
  TY_RETURN_IF_ERROR(machine.Run());
  bytes.remove_prefix(machine.place());
  return machine.Take();
}

}  // namespace trainyard::weights
