#include "services/orchestrator/cache_key.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard::orchestrator {
namespace {

// Raised when the list of ingredients itself changes.
constexpr int kKeyVersion = 1;

void Add(absl::string_view part, Sha256& digest) {
  digest.Update(absl::StrCat(part.size(), ":"));
  digest.Update(part);
}

}  // namespace

std::string CacheKey(const CacheIngredients& ingredients) {
  Sha256 digest;
  Add(absl::StrCat(kKeyVersion), digest);
  Add(ingredients.kind, digest);
  Add(absl::StrCat(ingredients.implementation_version), digest);
  Add(ingredients.network, digest);
  Add(ingredients.canonical_spec, digest);
  Add(ingredients.options, digest);
  Add(absl::StrCat(ingredients.inputs.size()), digest);
  for (const auto& [name, sha256] : ingredients.inputs) {
    Add(name, digest);
    Add(sha256, digest);
  }
  Add(absl::StrCat(ingredients.reads.size()), digest);
  for (const std::string& sha256 : ingredients.reads) Add(sha256, digest);
  Add(ingredients.hardware, digest);
  Add(ingredients.key_mark, digest);
  return digest.HexDigest();
}

std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

std::string KeyMark(absl::string_view salt, absl::string_view key) {
  if (key.empty()) return "";
  return Sha256Hex(absl::StrCat("trainyard mark of a key", salt, key)).substr(0, 6);
}

absl::StatusOr<std::string> DigestOfPath(absl::string_view written, const std::string& path,
                                         const std::string& results,
                                         const std::stop_token& stop) {
  const std::string folder = absl::EndsWith(path, "/") ? path : path + "/";
  if (absl::StartsWith(results + "/", folder)) {
    return absl::FailedPreconditionError(
        absl::StrCat("'", written, "' holds the results of runs, which change"));
  }
  if (FileExists(path) || FolderExists(path)) return PathDigest(path, stop);
  std::vector<std::string> files = Glob(path);
  if (files.empty()) files = Glob(path + "*");
  if (files.empty()) return absl::StrCat("missing:", written);
  Sha256 digest;
  for (const std::string& file : files) {
    TY_ASSIGN_OR_RETURN(const std::string sha256, PathDigest(file, stop));
    Add(BaseName(file), digest);
    Add(sha256, digest);
  }
  return digest.HexDigest();
}

}  // namespace trainyard::orchestrator
