// torch.save's two formats (torch/serialization.py: _save and _legacy_save). Both pickle the object
// with tensors that refer to storages by key; the zip archive has a storage in each of its entries
// data/KEY, the older format all of them behind the pickles.

#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"
#include "libs/weights/internal/formats.h"
#include "libs/weights/internal/pickle.h"
#include "libs/weights/internal/zip.h"

namespace trainyard::weights {
namespace {

using Kind = PickleValue::Kind;
using Storages = std::map<absl::string_view, absl::string_view>;

/// 0x1950a86a20f9469cfc6c as a pickle of protocol 2, the first of the older format.
constexpr absl::string_view kLegacyMagic{
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15};
constexpr int64_t kLegacyProtocol = 1001;
constexpr int kMostNesting = 3;
/// Where checkpoints keep their state dict.
constexpr absl::string_view kStateDictKeys[] = {"state_dict", "model_state_dict", "model", "net"};

/// nullptr when the dict has no such key, or another kind of value there.
const PickleValue* Find(const PickleValue& dict, absl::string_view key, Kind kind) {
  if (dict.kind != Kind::kDict) return nullptr;
  // The last one counts, as in Python.
  for (size_t i = dict.items.size(); i >= 2; i -= 2) {
    const PickleValue &name = *dict.items[i - 2], &value = *dict.items[i - 1];
    if (name.kind == Kind::kText && name.text == key) {
      return value.kind == kind ? &value : nullptr;
    }
  }
  return nullptr;
}

bool HasTensors(const PickleValue& dict) {
  for (size_t i = 1; i < dict.items.size(); i += 2) {
    if (dict.items[i]->kind == Kind::kTensor) return true;
  }
  return false;
}

/// The dict of tensors that `root` is or has, and the keys on the way.
struct StateDict {
  const PickleValue* dict = nullptr;
  std::string path;
};

StateDict FindStateDict(const PickleValue& root, int depth) {
  if (root.kind != Kind::kDict || depth > kMostNesting) return {};
  for (const absl::string_view key : kStateDictKeys) {
    const PickleValue* inner = Find(root, key, Kind::kDict);
    if (inner == nullptr) continue;
    StateDict found = FindStateDict(*inner, depth + 1);
    if (found.dict == nullptr) continue;
    found.path = absl::StrCat(key, found.path.empty() ? "" : ".", found.path);
    return found;
  }
  if (HasTensors(root)) return {.dict = &root, .path = ""};
  return {};
}

std::vector<int64_t> IntsOf(const PickleValue& tuple) {
  std::vector<int64_t> ints;
  for (const PickleValue* item : tuple.items) ints.push_back(item->integer);
  return ints;
}

absl::StatusOr<StridedView> ViewOf(const PickleValue& tensor, const Storages& storages) {
  const PickleValue& storage = *tensor.items[0];
  const auto bytes = storages.find(storage.text);
  if (bytes == storages.end()) {
    return absl::DataLossError(
        absl::StrCat("storage '", Shown(storage.text), "' is not in the file"));
  }
  return StridedView{.type = *storage.type,
                     .storage = bytes->second,
                     .offset = tensor.items[1]->integer,
                     .shape = IntsOf(*tensor.items[2]),
                     .strides = IntsOf(*tensor.items[3])};
}

absl::StatusOr<NamedWeights> Collect(const PickleValue& root, const Storages& storages,
                                     size_t file_bytes, absl::string_view format) {
  const StateDict state = FindStateDict(root, 0);
  if (state.dict == nullptr) {
    return absl::InvalidArgumentError(
        "holds no state dict; expected a dict of tensors, or one below 'state_dict', "
        "'model_state_dict', 'model' or 'net'");
  }
  TensorCollector collector(static_cast<int64_t>(file_bytes));
  if (!state.path.empty()) {
    collector.AddNote(absl::StrCat("the weights are those below '", state.path, "'"));
  }
  for (size_t i = 0; i + 1 < state.dict->items.size(); i += 2) {
    const PickleValue &name = *state.dict->items[i], &value = *state.dict->items[i + 1];
    if (name.kind != Kind::kText || value.kind != Kind::kTensor) continue;
    const auto view = ViewOf(value, storages);
    if (!view.ok()) {
      return Annotate(view.status(), absl::StrCat("tensor '", Shown(name.text), "'"));
    }
    TY_RETURN_IF_ERROR(collector.Add(name.text, *view));
  }
  return std::move(collector).Finish(format);
}

absl::Status CheckStorage(absl::string_view key, const PickleValue& storage, uint64_t bytes) {
  // Divided, not multiplied: the number comes from the file.
  const auto size = static_cast<uint64_t>(storage.type->bytes);
  if (bytes % size == 0 && bytes / size == static_cast<uint64_t>(storage.integer)) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrFormat("storage '%s' has %d bytes; expected %d elements of %s", Shown(key), bytes,
                      storage.integer, storage.type->name));
}

/// The older format's file from behind its magic.
struct LegacyHead {
  Pickle object, keys;
};

absl::StatusOr<LegacyHead> ReadLegacyHead(absl::string_view& bytes) {
  TY_ASSIGN_OR_RETURN(const Pickle protocol, Pickle::Parse(bytes));
  if (protocol.root().kind != Kind::kInt || protocol.root().integer != kLegacyProtocol) {
    return absl::UnimplementedError(absl::StrFormat("is of PyTorch's file protocol %d; %d is read",
                                                    protocol.root().integer, kLegacyProtocol));
  }
  TY_ASSIGN_OR_RETURN(const Pickle system, Pickle::Parse(bytes));
  const PickleValue* little = Find(system.root(), "little_endian", Kind::kBool);
  if (little == nullptr || little->integer == 0) {
    return absl::UnimplementedError("was written on a big-endian machine, which is not read");
  }
  TY_ASSIGN_OR_RETURN(Pickle object, Pickle::Parse(bytes));
  TY_ASSIGN_OR_RETURN(Pickle keys, Pickle::Parse(bytes));
  if (keys.root().kind != Kind::kList) {
    return absl::DataLossError("has no list of its storages behind the pickle");
  }
  return LegacyHead{std::move(object), std::move(keys)};
}

/// Takes the storage of a key off the head of `bytes`: its number of elements, and they.
absl::Status TakeStorage(const PickleValue& key, const Pickle& object, absl::string_view& bytes,
                         Storages& storages) {
  const auto found = object.storages().find(key.text);
  if (key.kind != Kind::kText || found == object.storages().end()) {
    return absl::DataLossError(
        absl::StrCat("storage '", Shown(key.text), "' is listed, and no tensor has it"));
  }
  const PickleValue& storage = *found->second;
  uint64_t count = 0;
  if (bytes.size() < sizeof(count)) return absl::DataLossError("is cut short among its storages");
  std::memcpy(&count, bytes.data(), sizeof(count));
  bytes.remove_prefix(sizeof(count));
  if (count != static_cast<uint64_t>(storage.integer) ||
      count > bytes.size() / static_cast<uint64_t>(storage.type->bytes)) {
    return absl::DataLossError(absl::StrFormat(
        "storage '%s' has %d elements, the pickle says %d, and the file has %d bytes left",
        Shown(key.text), count, storage.integer, bytes.size()));
  }
  const uint64_t size = count * static_cast<uint64_t>(storage.type->bytes);
  storages.emplace(key.text, bytes.substr(0, size));
  bytes.remove_prefix(size);
  return absl::OkStatus();
}

/// The folder of an archive in which data.pkl lies, with its slash.
absl::StatusOr<std::string> ArchiveFolder(const ZipArchive& archive) {
  std::vector<std::string> folders;
  bool is_script = false;
  for (const auto& [name, unused] : archive.entries()) {
    if (name == "data.pkl" || absl::EndsWith(name, "/data.pkl")) {
      folders.push_back(name.substr(0, name.size() - absl::string_view("data.pkl").size()));
    }
    is_script |= absl::EndsWith(name, "/constants.pkl");
  }
  if (is_script) {
    return absl::UnimplementedError(
        "is a TorchScript archive, which is a program; save its weights alone, in PyTorch with "
        "torch.save(model.state_dict(), path)");
  }
  if (folders.size() == 1) return folders[0];
  return absl::InvalidArgumentError(absl::StrFormat(
      "is a zip archive with %d entries data.pkl; PyTorch's weights have one. Of Keras and numpy "
      "archives: save the model as ONNX or safetensors",
      folders.size()));
}

absl::Status CheckByteOrder(const ZipArchive& archive, const std::string& folder) {
  const std::string name = folder + "byteorder";
  if (archive.entries().count(name) == 0) return absl::OkStatus();
  TY_ASSIGN_OR_RETURN(const absl::string_view order, archive.Read(name));
  if (order == "little") return absl::OkStatus();
  return absl::UnimplementedError("was written on a big-endian machine, which is not read");
}

}  // namespace

bool LooksLegacyPyTorch(absl::string_view bytes) { return absl::StartsWith(bytes, kLegacyMagic); }

absl::StatusOr<NamedWeights> ParseLegacyPyTorch(absl::string_view bytes) {
  absl::string_view rest = bytes.substr(kLegacyMagic.size());
  TY_ASSIGN_OR_RETURN(const LegacyHead head, ReadLegacyHead(rest));
  Storages storages;
  for (const PickleValue* key : head.keys.root().items) {
    TY_RETURN_IF_ERROR(TakeStorage(*key, head.object, rest, storages));
  }
  return Collect(head.object.root(), storages, bytes.size(), "pytorch-legacy");
}

absl::StatusOr<NamedWeights> ParsePyTorchZip(absl::string_view bytes) {
  TY_ASSIGN_OR_RETURN(const ZipArchive archive, ZipArchive::Open(bytes));
  TY_ASSIGN_OR_RETURN(const std::string folder, ArchiveFolder(archive));
  TY_RETURN_IF_ERROR(CheckByteOrder(archive, folder));
  TY_ASSIGN_OR_RETURN(absl::string_view pickled, archive.Read(folder + "data.pkl"));
  TY_ASSIGN_OR_RETURN(const Pickle object, Pickle::Parse(pickled));
  Storages storages;
  for (const auto& [key, storage] : object.storages()) {
    TY_ASSIGN_OR_RETURN(const absl::string_view content,
                        archive.Read(absl::StrCat(folder, "data/", key)));
    TY_RETURN_IF_ERROR(CheckStorage(key, *storage, content.size()));
    storages.emplace(key, content);
  }
  return Collect(object.root(), storages, bytes.size(), "pytorch");
}

}  // namespace trainyard::weights
