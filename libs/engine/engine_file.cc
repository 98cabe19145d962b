#include "libs/engine/engine_file.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/sealing/model_file.h"

namespace trainyard::engine {
namespace {

constexpr int kFormatVersion = 1;
constexpr char kHeaderSection[] = "engine.header";
constexpr char kRecordSectionName[] = "record";
constexpr char kBlobSection[] = "engine.blob";

template <typename Message>
absl::Status ParseSection(const sealing::Sections& sections, const char* name, Message& message) {
  const auto found = sections.find(name);
  if (found == sections.end())
    return absl::DataLossError(absl::StrCat("has no section '", name, "'"));
  if (!message.ParseFromString(found->second)) {
    return absl::DataLossError(absl::StrCat("its section '", name, "' cannot be parsed"));
  }
  return absl::OkStatus();
}

absl::StatusOr<EngineFile> ParseSections(sealing::Sections sections) {
  EngineFile file;
  TY_RETURN_IF_ERROR(ParseSection(sections, kHeaderSection, file.header));
  if (file.header.format_version() > kFormatVersion) {
    return absl::UnimplementedError(absl::StrCat("is an engine of format ",
                                                 file.header.format_version(),
                                                 "; this program reads up to ", kFormatVersion));
  }
  TY_RETURN_IF_ERROR(ParseSection(sections, kRecordSectionName, file.record));
  file.blob = std::move(sections[kBlobSection]);
  const std::string digest = Sha256Hex(file.blob);
  if (digest != file.header.blob_sha256()) {
    return absl::DataLossError(absl::StrCat("the compiled network's digest is ", digest,
                                            ", its header says ", file.header.blob_sha256()));
  }
  return file;
}

std::string RebuildCommand(const EngineHeader& header, const std::string& path) {
  const std::string& source = header.source().file_name();
  return absl::StrCat("trainyard converter -k KEY -t ", header.precision_requested(), " -m ",
                      header.max_batch_size(),
                      header.precision_requested() == "int8" ? " -c CALIBRATION_TABLE" : "", " -e ",
                      path, " ", source.empty() ? "MODEL.etlt" : source);
}

}  // namespace

absl::Status SaveEngineFile(EngineFile file, const std::string& path) {
  file.header.set_format_version(kFormatVersion);
  file.header.set_blob_sha256(Sha256Hex(file.blob));
  sealing::Sections sections;
  sections[kHeaderSection] = file.header.SerializeAsString();
  sections[kRecordSectionName] = file.record.SerializeAsString();
  sections[kBlobSection] = std::move(file.blob);
  return sealing::SaveSealed(path, sealing::SealedKind::kEngine, sections, "");
}

absl::StatusOr<EngineFile> LoadEngineFile(const std::string& path) {
  TY_ASSIGN_OR_RETURN(sealing::Sections sections,
                      sealing::LoadSealed(path, sealing::SealedKind::kEngine, ""));
  absl::StatusOr<EngineFile> file = ParseSections(std::move(sections));
  if (!file.ok()) return Annotate(file.status(), absl::StrCat("engine '", path, "'"));
  return file;
}

absl::Status CheckRunsHere(const EngineHeader& header, const HardwareFingerprint& here,
                           const BackendCapabilities& backend, const std::string& path) {
  std::vector<std::string> differences = Differences(header.hardware(), here);
  if (header.backend() != backend.name) {
    differences.push_back(absl::StrCat("backend ", backend.name, " instead of ", header.backend()));
  } else if (header.backend_version() != backend.version) {
    differences.push_back(
        absl::StrCat(backend.name, " ", backend.version, " instead of ", header.backend_version()));
  }
  if (differences.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("engine '", path, "' was built for ", Describe(header.hardware()),
                   "; this machine is ", Describe(here), ": ", absl::StrJoin(differences, ", "),
                   ". Build it again here: ", RebuildCommand(header, path)));
}

}  // namespace trainyard::engine
