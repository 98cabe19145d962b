#include "libs/pretrained/store.h"

#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/sealing/model_store.h"

namespace trainyard::pretrained {
namespace {

namespace json = google::protobuf::util;

constexpr char kVersion[] = TRAINYARD_VERSION;
constexpr char kModelEnding[] = ".tlt", kRecordEnding[] = ".json";
constexpr int64_t kMaxRecordBytes = 1 << 20;

absl::StatusOr<std::string> RecordText(const StoredPretrainedModel& stored) {
  json::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto printed = json::MessageToJsonString(stored, &text, options);
  if (printed.ok()) return text;
  return absl::InternalError(absl::StrCat("the record of '", stored.model().name(),
                                          "' cannot be written: ", std::string(printed.message())));
}

bool IsDigest(absl::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

absl::Status CheckRecord(const StoredPretrainedModel& stored, absl::string_view name) {
  Problems problems;
  if (stored.model().name() != name) {
    problems.Add("model.name", "is '%s'; expected '%s', as the file is called",
                 Shown(stored.model().name()), name);
  }
  if (!IsDigest(stored.model_sha256())) {
    problems.Add("model_sha256", "is '%s'; expected 64 hexadecimal digits",
                 Shown(stored.model_sha256()));
  }
  if (!IsDigest(stored.source_sha256())) {
    problems.Add("source_sha256", "is '%s'; expected 64 hexadecimal digits",
                 Shown(stored.source_sha256()));
  }
  return problems.ToStatus(absl::StatusCode::kDataLoss);
}

absl::Status NotFound(absl::string_view name, const std::vector<ListedModel>& all) {
  std::vector<std::string> names;
  for (const ListedModel& listed : all) names.push_back(listed.model.name());
  return absl::NotFoundError(absl::StrFormat("no model is called '%s'; there are %s%s", Shown(name),
                                             absl::StrJoin(names, ", "), DidYouMean(name, names)));
}

}  // namespace

std::string ModelStore::Path(absl::string_view name) const {
  return JoinPath(folder_, absl::StrCat(name, kModelEnding));
}

std::string ModelStore::RecordPath(absl::string_view name) const {
  return JoinPath(folder_, absl::StrCat(name, kRecordEnding));
}

absl::StatusOr<std::optional<StoredPretrainedModel>> ModelStore::ReadRecord(
    const std::string& name) const {
  const std::string path = RecordPath(name);
  const auto text = ReadFile(path, kMaxRecordBytes);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  if (!text.ok()) return text.status();
  StoredPretrainedModel stored;
  json::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // of later versions
  const auto parsed = json::JsonStringToMessage(*text, &stored, options);
  const absl::Status status =
      parsed.ok() ? CheckRecord(stored, name)
                  : absl::DataLossError(absl::StrCat("is no record of a pretrained model: ",
                                                     Shown(std::string(parsed.message()))));
  TY_RETURN_IF_ERROR(Annotate(status, absl::StrCat("'", path, "'")));
  return stored;
}

ListedModel ModelStore::Look(const std::string& name) const {
  ListedModel listed;
  if (const PretrainedModel* built_in = FindBuiltIn(name); built_in != nullptr) {
    listed.model = *built_in;
    listed.built_in = true;
  }
  listed.model.set_name(name);
  auto stored = ReadRecord(name);
  if (!stored.ok()) {
    listed.problem = Annotate(stored.status(), absl::StrCat("model '", name, "'"));
    return listed;
  }
  if (!stored->has_value()) return listed;
  if (!listed.built_in) listed.model = (*stored)->model();
  if (FileExists(Path(name))) {
    listed.stored = *std::move(stored);
  } else {
    listed.problem = absl::DataLossError(
        absl::StrFormat("model '%s': '%s' is there and '%s' is not; add it again, or remove it",
                        name, RecordPath(name), Path(name)));
  }
  return listed;
}

absl::StatusOr<std::vector<ListedModel>> ModelStore::List() const {
  std::vector<ListedModel> all;
  for (const PretrainedModel& model : BuiltInModels()) all.push_back(Look(model.name()));
  const auto files = ListFolder(folder_);
  if (absl::IsNotFound(files.status())) return all;
  if (!files.ok()) return files.status();
  for (const std::string& file : *files) {
    const std::string name = Stem(file);
    if (Extension(file) != kRecordEnding || !CheckModelName(name).ok()) continue;
    if (FindBuiltIn(name) == nullptr) all.push_back(Look(name));
  }
  return all;
}

absl::StatusOr<ListedModel> ModelStore::Find(absl::string_view name) const {
  TY_RETURN_IF_ERROR(CheckModelName(name));
  ListedModel listed = Look(std::string(name));
  if (listed.built_in || listed.stored.has_value() || !listed.problem.ok()) return listed;
  TY_ASSIGN_OR_RETURN(const std::vector<ListedModel> all, List());
  return NotFound(name, all);
}

absl::Status ModelStore::CheckWhole(const StoredPretrainedModel& stored) const {
  const std::string path = Path(stored.model().name());
  TY_ASSIGN_OR_RETURN(const std::string sha256, FileDigest(path));
  if (sha256 == stored.model_sha256()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrFormat("'%s' is not what was stored: its record says sha256 %s, it is %s; remove it "
                      "and add it again",
                      path, stored.model_sha256(), sha256));
}

absl::Status ModelStore::CheckFree(const PretrainedModel& model) const {
  TY_RETURN_IF_ERROR(CheckModelName(model.name()));
  const PretrainedModel* built_in = FindBuiltIn(model.name());
  if (built_in != nullptr && (model.weights_sha256() != built_in->weights_sha256())) {
    return absl::AlreadyExistsError(absl::StrCat("'", model.name(),
                                                 "' is a public model's name; get that one, or "
                                                 "give yours another name"));
  }
  const auto record = ReadRecord(model.name());
  if (!record.ok()) {
    return absl::AlreadyExistsError(absl::StrCat("model '", model.name(),
                                                 "': ", record.status().message(),
                                                 "; remove the model, or move that file away"));
  }
  // A record alone was left behind by an Add or Remove that was cut off.
  if (!FileExists(Path(model.name()))) return absl::OkStatus();
  return absl::AlreadyExistsError(
      record->has_value() ? absl::StrCat("model '", model.name(), "' is in '", folder_,
                                         "' already; remove it first")
                          : absl::StrCat("'", Path(model.name()),
                                         "' is there and is no model of this store; move it away"));
}

absl::StatusOr<StoredPretrainedModel> ModelStore::Add(const ImportedModel& imported,
                                                      absl::string_view key) {
  TY_RETURN_IF_ERROR(CheckFree(imported.entry));
  TY_RETURN_IF_ERROR(MakeFolders(folder_));
  const std::string& name = imported.entry.name();
  const std::string temporary =
      JoinPath(folder_, absl::StrCat(".tmp-", getpid(), "-", name, kModelEnding));
  const absl::Cleanup clear = [&temporary] { RemoveTree(temporary).IgnoreError(); };
  TY_RETURN_IF_ERROR(sealing::SaveModel(temporary, sealing::SealedKind::kCheckpoint, imported.model,
                                        sealing::Sections(), key));
  StoredPretrainedModel stored;
  *stored.mutable_model() = imported.entry;
  stored.set_source(Shown(imported.source));
  stored.set_source_sha256(imported.source_sha256);
  stored.set_version(kVersion);
  TY_ASSIGN_OR_RETURN(const std::string sha256, FileDigest(temporary));
  stored.set_model_sha256(sha256);
  TY_ASSIGN_OR_RETURN(const std::string text, RecordText(stored));
  TY_RETURN_IF_ERROR(WriteFileAtomically(RecordPath(name), text));
  if (const absl::Status status = RenameSynced(temporary, Path(name)); !status.ok()) {
    RemoveTree(RecordPath(name)).IgnoreError();
    return status;
  }
  return stored;
}

absl::Status ModelStore::Remove(absl::string_view name) {
  TY_RETURN_IF_ERROR(CheckModelName(name));
  const std::string record = RecordPath(name), model = Path(name);
  if (!FileExists(record)) {
    return absl::NotFoundError(
        FileExists(model)
            ? absl::StrCat("'", model, "' has no record, so that it is no model of this store")
            : absl::StrCat("no model '", name, "' in '", folder_, "'"));
  }
  for (const std::string& path : {model, record}) {
    if (FolderExists(path)) {
      return absl::FailedPreconditionError(absl::StrCat("'", path, "' is a folder, not a model"));
    }
  }
  // The record last: one that is left says what was there.
  TY_RETURN_IF_ERROR(RemoveTree(model));
  return RemoveTree(record);
}

}  // namespace trainyard::pretrained
