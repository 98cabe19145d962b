#include "services/orchestrator/cache_key.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/paths.h"
#include "libs/base/status.h"

namespace trainyard::orchestrator {
namespace {

namespace fs = std::filesystem;

// Raised when the list of ingredients itself changes.
constexpr int kKeyVersion = 1;

void Add(absl::string_view part, Sha256& digest) {
  digest.Update(absl::StrCat(part.size(), ":"));
  digest.Update(part);
}

// All links to folders below a folder.
absl::StatusOr<std::vector<std::string>> FolderLinksBelow(const std::string& folder) {
  std::vector<std::string> links;
  std::error_code error, gone;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const std::string path = it->path().string();
    if (it->is_symlink(gone) && FolderExists(path)) links.push_back(path);
  }
  if (error) return absl::InternalError(absl::StrCat("cannot list '", folder, "': ", error.message()));
  std::sort(links.begin(), links.end());
  return links;
}

// As PathDigest, but also of the folders that links in the folder lead to: who reads data follows them.
absl::StatusOr<std::string> FolderDigest(const std::string& folder, const std::stop_token& stop) {
  TY_ASSIGN_OR_RETURN(const std::string own, PathDigest(folder, stop));
  Sha256 digest;
  Add(own, digest);
  std::vector<std::string> folders = {folder};
  std::set<std::string> seen = {CanonicalPath(folder)};
  for (size_t i = 0; i < folders.size(); ++i) {
    TY_ASSIGN_OR_RETURN(const std::vector<std::string> links, FolderLinksBelow(folders[i]));
    for (const std::string& link : links) {
      // One that leads back up holds what is read already.
      if (absl::StartsWith(CanonicalPath(folder) + "/", CanonicalPath(link) + "/")) continue;
      TY_ASSIGN_OR_RETURN(const std::string linked, PathDigest(link, stop));
      Add(link.substr(folder.size()), digest);
      Add(linked, digest);
      if (seen.insert(CanonicalPath(link)).second) folders.push_back(link);
    }
  }
  return folders.size() == 1 ? own : digest.HexDigest();
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
  // Last: the keys of stages without any are as they were.
  for (const auto& [name, uri] : ingredients.outputs) {
    Add(name, digest);
    Add(uri, digest);
  }
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
  if (FolderExists(path)) return FolderDigest(path, stop);
  if (FileExists(path)) return PathDigest(path, stop);
  const std::vector<std::string> files = Glob(path);
  if (files.empty()) {
    auto digest = PathDigest(path, stop);
    if (absl::IsNotFound(digest.status())) return absl::StrCat("missing:", written);
    return digest;
  }
  Sha256 digest;
  for (const std::string& file : files) {
    TY_ASSIGN_OR_RETURN(const std::string sha256, PathDigest(file, stop));
    Add(BaseName(file), digest);
    Add(sha256, digest);
  }
  return digest.HexDigest();
}

}  // namespace trainyard::orchestrator
