// What the pickles of torch.save call: torch/_utils.py and torch/serialization.py say with which
// arguments.

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/weights/internal/pickle_machine.h"

namespace trainyard::weights {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t kMostDimensions = 16;
/// Names and keys that are longer are none of PyTorch's, and would cost time to compare.
constexpr size_t kMostName = 256;

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

bool IsIntTuple(const PickleValue& value) {
  if (value.kind != Kind::kTuple || value.items.size() > kMostDimensions) return false;
  for (const PickleValue* item : value.items) {
    if (item->kind != Kind::kInt) return false;
  }
  return true;
}

}  // namespace

absl::Status PickleMachine::PushGlobal(absl::string_view module, absl::string_view name) {
  module = module.substr(0, kMostName);
  name = name.substr(0, kMostName);
  const absl::string_view known = KnownGlobal(module, name);
  if (known.empty()) return PickleRefused(absl::StrCat(module, ".", name));
  PickleValue* const global = Make(Kind::kGlobal);
  global->text = known;
  global->type = StorageType(known);
  return absl::OkStatus();
}

absl::Status PickleMachine::Reduce() {
  TY_ASSIGN_OR_RETURN(const PickleValue* const arguments, Pop());
  TY_ASSIGN_OR_RETURN(const PickleValue* const callee, Pop());
  if (callee->kind != Kind::kGlobal || arguments->kind != Kind::kTuple) {
    return PickleNoSense("what is no function is called");
  }
  if (callee->text == kOrderedDict) return PushOrderedDict(*arguments);
  if (callee->text == kTensorV1 || callee->text == kTensorV2) return PushTensor(*arguments);
  if (callee->text == kParameter) {
    // The tensor, whether it wants gradients, and hooks.
    if (arguments->items.empty() || arguments->items[0]->kind != Kind::kTensor) {
      return PickleNoSense("a parameter has no tensor");
    }
    *Make(Kind::kTensor) = *arguments->items[0];
    return absl::OkStatus();
  }
  return PickleRefused(callee->text);
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
        return PickleNoSense("an OrderedDict is made of what are no pairs");
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
    return PickleNoSense(absl::StrFormat(
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
  if (target->kind != Kind::kDict) return PickleNoSense("a state is set on what is no dict");
  return absl::OkStatus();
}

/// ("storage", its class, key, device, number of elements), and None before 1.6: a part of another
/// storage else.
absl::Status PickleMachine::PersistentId() {
  TY_ASSIGN_OR_RETURN(const PickleValue* const id, Pop());
  const auto& items = id->items;
  const bool fits =
      id->kind == Kind::kTuple && items.size() >= 5 && items[0]->kind == Kind::kText &&
      items[0]->text == "storage" && items[1]->type != nullptr && items[2]->kind == Kind::kText &&
      items[2]->text.size() <= kMostName && items[4]->kind == Kind::kInt && items[4]->integer >= 0;
  if (!fits) return PickleNoSense("a persistent id is no storage of PyTorch");
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
    return PickleNoSense(absl::StrCat("storage '", Shown(storage->text),
                                      "' is there twice, with other types or sizes"));
  }
  return absl::OkStatus();
}

}  // namespace trainyard::weights
