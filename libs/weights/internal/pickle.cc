// CPython's Lib/pickletools.py describes every opcode.

#include "libs/weights/internal/pickle.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/weights/internal/pickle_machine.h"

namespace trainyard::weights {
namespace {

constexpr int64_t kMostOpcodes = 1'000'000;
constexpr size_t kMostMarks = 1000, kMostGlobalBytes = 1024;
constexpr uint64_t kMostMemo = 1'000'000;

}  // namespace

absl::Status PickleRefused(absl::string_view wanted) {
  return absl::InvalidArgumentError(
      absl::StrCat("the file wants to run ", Shown(wanted),
                   "; only tensors are read. Save the weights alone, in PyTorch with "
                   "torch.save(model.state_dict(), path)"));
}

absl::Status PickleNoSense(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("is no pickle of a state dict: ", what));
}

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
  if (end == absl::string_view::npos) return PickleNoSense("a name in it has no end");
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
  if (stack_.size() <= bottom) return PickleNoSense("an opcode finds nothing on the stack");
  return stack_.back();
}

absl::StatusOr<PickleValue*> PickleMachine::Pop() {
  TY_ASSIGN_OR_RETURN(PickleValue* const top, Top());
  stack_.pop_back();
  return top;
}

absl::StatusOr<std::vector<PickleValue*>> PickleMachine::PopToMark() {
  if (marks_.empty()) return PickleNoSense("an opcode finds no mark");
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
  if (bytes > 8) return PickleNoSense("an integer in it has more than 64 bits");
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
  if (index >= kMostMemo)
    return PickleNoSense(absl::StrCat("memo ", index, " is beyond a million"));
  TY_ASSIGN_OR_RETURN(memo_[index], Top());
  return absl::OkStatus();
}

absl::Status PickleMachine::Get(uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end() || found->second == nullptr) {
    return PickleNoSense(absl::StrCat("memo ", index, " is not there"));
  }
  stack_.push_back(found->second);
  return absl::OkStatus();
}

absl::Status PickleMachine::SetItems(const std::vector<PickleValue*>& items) {
  TY_ASSIGN_OR_RETURN(PickleValue* const dict, Top());
  if (dict->kind != Kind::kDict || items.size() % 2 != 0) {
    return PickleNoSense("items are set on what is no dict, or a key has no value");
  }
  dict->items.insert(dict->items.end(), items.begin(), items.end());
  return absl::OkStatus();
}

absl::Status PickleMachine::AppendItems(const std::vector<PickleValue*>& items) {
  TY_ASSIGN_OR_RETURN(PickleValue* const list, Top());
  if (list->kind != Kind::kList) return PickleNoSense("something is appended to what is no list");
  list->items.insert(list->items.end(), items.begin(), items.end());
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
      return PickleRefused(absl::StrCat(module, ".", name));
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
      return marks_.size() <= kMostMarks ? absl::OkStatus()
                                         : PickleNoSense("it is nested too deep");
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
      return PickleNoSense(absl::StrFormat("opcode 0x%02x is in none", opcode));
  }
}

absl::Status PickleMachine::Run() {
  while (!stopped_) {
    const size_t begin = place_;
    if (++work_ > kMostOpcodes) return PickleNoSense("it has more than a million opcodes");
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
